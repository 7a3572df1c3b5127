
'use strict';
// The chat page: speaks /v1/chat/completions of the server it came from, and nothing else. Keeps the
// conversation in memory only; settings and theme in this browser.
(() => {
  const kTexts = {
    en: {
      settings: 'Settings', clear: 'New chat', theme: 'Light or dark', send: 'Send', stop: 'Stop',
      system: 'System prompt', temperature: 'Temperature', topP: 'Top-p', maxTokens: 'Max tokens',
      defaults: 'Empty fields take the model\'s defaults.', placeholder: 'Ask anything',
      welcome: 'Everything you write stays on this machine.', copy: 'Copy', copied: 'Copied',
      stopped: 'stopped', length: 'cut at the token limit', speed: 'tokens/s', first: 's to the first token',
      tokens: 'tokens', lost: 'The connection to the server was lost.', empty: '(empty answer)',
      failed: 'The server refused', messages: 'Conversation',
    },
    zh: {
      settings: '设置', clear: '新对话', theme: '浅色或深色', send: '发送', stop: '停止',
      system: '系统提示词', temperature: '温度', topP: 'Top-p', maxTokens: '最大 token 数',
      defaults: '留空则使用模型的默认值。', placeholder: '请输入问题',
      welcome: '您输入的一切都只留在这台机器上。', copy: '复制', copied: '已复制',
      stopped: '已停止', length: '已达到 token 上限', speed: 'token/秒', first: '秒出首个 token',
      tokens: '个 token', lost: '与服务器的连接已断开。', empty: '（空回答）',
      failed: '服务器拒绝了请求', messages: '对话',
    },
  };
  const language = (navigator.language || 'en').toLowerCase().startsWith('zh') ? 'zh' : 'en';
  const text = kTexts[language];
  const element = (id) => document.getElementById(id);
  const messages = element('messages');
  const input = element('input');

  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  for (const e of document.querySelectorAll('[data-text]')) e.textContent = text[e.dataset.text];
  element('theme').title = text.theme;
  element('theme').setAttribute('aria-label', text.theme);
  input.placeholder = text.placeholder;
  input.setAttribute('aria-label', text.placeholder);
  messages.setAttribute('aria-label', text.messages);

  // A browser may forbid storage; the page then forgets, and works.
  const remembered = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
  const remember = (key, value) => { try { localStorage.setItem(key, value); } catch { /* forgets */ } };

  const setTheme = (name) => { document.documentElement.dataset.theme = name; };
  setTheme(remembered('theme') || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'));
  element('theme').onclick = () => {
    const name = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
    setTheme(name);
    remember('theme', name);
  };

  const settings = ['system', 'temperature', 'top-p', 'max-tokens'];
  for (const id of settings) {
    element(id).value = remembered(id) || '';
    element(id).onchange = () => remember(id, element(id).value);
  }
  element('settings-toggle').onclick = () => {
    const hidden = element('settings').hidden;
    element('settings').hidden = !hidden;
    element('settings-toggle').setAttribute('aria-expanded', String(hidden));
  };

  let history = [];
  let running = null;  // the AbortController of the answer being written

  const atEnd = () => messages.scrollHeight - messages.scrollTop - messages.clientHeight < 60;
  const toEnd = () => { messages.scrollTop = messages.scrollHeight; };

  function addMessage(kind, content) {
    const welcome = element('welcome');
    if (welcome) welcome.hidden = true;
    const box = document.createElement('div');
    box.className = 'message ' + kind;
    const bubble = document.createElement('div');
    bubble.className = 'bubble';
    bubble.textContent = content;
    box.append(bubble);
    messages.append(box);
    toEnd();
    return { box, bubble };
  }

  function addNote(box, content, words) {
    const note = document.createElement('div');
    note.className = 'note';
    const copy = document.createElement('button');
    copy.type = 'button';
    copy.className = 'plain';
    copy.textContent = text.copy;
    copy.onclick = async () => {
      await copyText(content);
      copy.textContent = text.copied;
      setTimeout(() => { copy.textContent = text.copy; }, 1500);
    };
    note.append(copy);
    if (words) note.append(words);
    box.append(note);
  }

  // The clipboard API exists on https and localhost only; selecting works everywhere.
  async function copyText(content) {
    try {
      await navigator.clipboard.writeText(content);
    } catch {
      const area = document.createElement('textarea');
      area.value = content;
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
  }

  function requestBody() {
    const body = { messages: [], stream: true, stream_options: { include_usage: true } };
    const system = element('system').value.trim();
    if (system) body.messages.push({ role: 'system', content: system });
    body.messages.push(...history);
    const number = (id) => element(id).value === '' ? NaN : Number(element(id).value);
    if (!Number.isNaN(number('temperature'))) body.temperature = number('temperature');
    if (!Number.isNaN(number('top-p'))) body.top_p = number('top-p');
    if (!Number.isNaN(number('max-tokens'))) body.max_tokens = number('max-tokens');
    return body;
  }

  // Calls onEvent with the data of each server-sent event.
  async function readEvents(stream, onEvent) {
    const reader = stream.getReader();
    const decoder = new TextDecoder();
    let pending = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      pending += decoder.decode(value, { stream: true });
      for (let end = pending.indexOf('\n\n'); end >= 0; end = pending.indexOf('\n\n')) {
        const line = pending.slice(0, end);
        pending = pending.slice(end + 2);
        if (line.startsWith('data: ') && line !== 'data: [DONE]') onEvent(JSON.parse(line.slice(6)));
      }
    }
  }

  function setRunning(controller) {
    running = controller;
    element('send').hidden = controller !== null;
    element('stop').hidden = controller === null;
  }

  async function ask(question) {
    addMessage('user', question);
    history.push({ role: 'user', content: question });
    const { box, bubble } = addMessage('assistant waiting', '');
    const controller = new AbortController();
    setRunning(controller);
    const asked = performance.now();
    let first = 0;
    let pieces = 0;
    let answer = '';
    let tokens = 0;
    let finish = '';
    let failure = '';
    const showSpeed = () => {
      const seconds = (performance.now() - first) / 1000;
      const n = tokens || pieces;
      const rate = n > 1 && seconds > 0 ? ((n - 1) / seconds).toFixed(1) : '–';
      element('speed').textContent =
        `${rate} ${text.speed} · ${n} ${text.tokens} · ${((first - asked) / 1000).toFixed(2)} ${text.first}`;
    };
    try {
      const response = await fetch('/v1/chat/completions', {
        method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(requestBody()), signal: controller.signal,
      });
      if (!response.ok) {
        const body = await response.json().catch(() => null);
        failure = body?.error?.message || `${text.failed} (${response.status})`;
      } else {
        await readEvents(response.body, (event) => {
          if (event.error) { failure = event.error.message; return; }
          if (event.usage) tokens = event.usage.completion_tokens;
          const choice = event.choices?.[0];
          if (!choice) return;
          if (choice.finish_reason) finish = choice.finish_reason;
          const piece = choice.delta?.content || '';
          if (!piece) return;
          if (!first) first = performance.now();
          ++pieces;
          answer += piece;
          const follow = atEnd();
          bubble.textContent = answer;
          if (follow) toEnd();
          showSpeed();
        });
      }
    } catch (error) {
      if (controller.signal.aborted) finish = 'stopped'; else failure = text.lost;
    }
    setRunning(null);
    box.classList.remove('waiting');
    if (first) showSpeed();
    if (answer) {
      history.push({ role: 'assistant', content: answer });
      addNote(box, answer, finish === 'stopped' ? text.stopped : finish === 'length' ? text.length : '');
    } else {
      history.pop();  // a question without an answer is no part of the conversation
      if (failure) box.remove(); else bubble.textContent = text.empty;
    }
    if (failure) {
      const { box: errorBox } = addMessage('error', failure);
      errorBox.setAttribute('role', 'alert');
      if (!answer && !input.value) input.value = question;
    }
    toEnd();
    input.focus();
  }

  const fit = () => { input.style.height = 'auto'; input.style.height = input.scrollHeight + 2 + 'px'; };
  input.oninput = fit;
  input.onkeydown = (event) => {
    // While an input method composes a character, Enter belongs to it.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      element('form').requestSubmit();
    }
  };
  element('form').onsubmit = (event) => {
    event.preventDefault();
    const question = input.value.trim();
    if (!question || running) return;
    input.value = '';
    fit();
    ask(question);
  };
  element('stop').onclick = () => running?.abort();
  element('clear').onclick = () => {
    running?.abort();
    history = [];
    for (const box of messages.querySelectorAll('.message')) box.remove();
    element('welcome').hidden = false;
    element('speed').textContent = '';
    input.focus();
  };

  fetch('/v1/models').then((r) => r.json()).then((list) => {
    element('model').textContent = list.data[0].id;
    element('max-tokens').max = list.data[0].max_model_len;
  }).catch(() => { element('model').textContent = ''; });
})();
