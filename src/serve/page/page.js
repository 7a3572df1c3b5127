// The chat page: speaks /v1/chat/completions of the server it came from, and nothing else. Keeps the
// conversation in memory only; settings and theme in this browser.
const element = (id) => document.getElementById(id);
const messages = element('messages');
const input = element('input');

document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
for (const e of document.querySelectorAll('[data-text]')) e.textContent = text[e.dataset.text];
element('welcome').textContent = whereWordsGo();
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

// A server may ask for a key. It is kept for this tab alone, and sent to this server alone.
const session = (what) => { try { return what(sessionStorage); } catch { return null; } };
element('key').value = session((s) => s.getItem('key')) || '';
const keyHeaders = () => (element('key').value ? { Authorization: `Bearer ${element('key').value}` } : {});
element('key').onchange = () => {
  session((s) => s.setItem('key', element('key').value));
  loadModel();
};

async function loadModel() {
  try {
    const response = await fetch('v1/models', { headers: keyHeaders() });
    const wanted = response.status === 401 || response.status === 403;
    if (wanted || element('key').value) element('key-row').hidden = false;
    element('welcome').textContent = wanted ? text.keyWanted : whereWordsGo();
    if (wanted) {
      element('settings').hidden = false;
      element('settings-toggle').setAttribute('aria-expanded', 'true');
      if (input.value === '') element('key').focus();  // who writes is not led away
      return;
    }
    const [model] = (await response.json()).data;
    element('model').textContent = model.id;
    element('max-tokens').max = model.max_model_len;
  } catch {
    element('model').textContent = '';
  }
}

// What belongs to a conversation lives in its object. An answer keeps the conversation that it was asked
// in; the page shows the current one, so what an earlier one still hears changes nothing.
const newConversation = () => ({ turns: [], running: null });  // running: an Answer
let conversation = newConversation();

const atEnd = () => messages.scrollHeight - messages.scrollTop - messages.clientHeight < 60;
const toEnd = () => { messages.scrollTop = messages.scrollHeight; };
const fit = () => { input.style.height = 'auto'; input.style.height = input.scrollHeight + 2 + 'px'; };

function speedOf(answer) {
  if (!answer?.firstAt) return '';
  const seconds = (answer.lastAt - answer.firstAt) / 1000;
  const rate = answer.tokens > 1 && seconds > 0 ? ((answer.tokens - 1) / seconds).toFixed(1) : '–';
  return `${rate} ${text.speed} · ${answer.tokens} ${text.tokens} · ` +
    `${((answer.firstAt - answer.askedAt) / 1000).toFixed(2)} ${text.first}`;
}

// Brings all but the turns in line with the current conversation.
function refresh() {
  const runs = conversation.running !== null;
  // A button that hides hands on the focus. On a touch screen the field's focus opens the keyboard.
  const focused = document.activeElement;
  element('send').hidden = runs;
  element('stop').hidden = !runs;
  element('welcome').hidden = conversation.turns.length > 0;
  element('speed').textContent = speedOf(conversation.turns.at(-1)?.answer);
  if (runs && focused === element('send')) element('stop').focus();
  if (!runs && (focused === document.body || focused === element('stop')) &&
      !matchMedia('(pointer: coarse)').matches) {
    input.focus();
  }
}

function requestBody(turns, question) {
  const body = { messages: [], stream: true, stream_options: { include_usage: true } };
  const system = element('system').value.trim();
  if (system) body.messages.push({ role: 'system', content: system });
  for (const turn of turns) body.messages.push(...turn.messages());
  body.messages.push({ role: 'user', content: question });
  const number = (id) => element(id).value === '' ? NaN : Number(element(id).value);
  if (!Number.isNaN(number('temperature'))) body.temperature = number('temperature');
  if (!Number.isNaN(number('top-p'))) body.top_p = number('top-p');
  if (!Number.isNaN(number('max-tokens'))) body.max_tokens = number('max-tokens');
  return body;
}

function dropTurn(of, turn) {
  of.turns = of.turns.filter((other) => other !== turn);
  turn.element.remove();
}

// An unanswered question goes back into the field, unless something else is being written there.
function giveBack(question) {
  if (input.value) return;
  input.value = question;
  fit();
}

function takeBack(question) {
  if (input.value.trim() !== question) return;
  input.value = '';
  fit();
}

function ask(question) {
  const of = conversation;
  // What is shown is what the model is told: a question without an answer is no part of it.
  for (const earlier of of.turns) {
    if (earlier.answered) earlier.leaveBehind(); else dropTurn(of, earlier);
  }
  const body = requestBody(of.turns, question);
  const turn = new Turn(question);
  let drawing = false;  // a frame is asked for: many pieces may come before it
  const draw = (show) => {
    drawing = false;
    const follow = atEnd();
    show();
    if (of !== conversation) return;
    refresh();
    if (follow) toEnd();
  };
  turn.answer = new Answer(() => {
    if (turn.answer.ending) {
      of.running = null;
      draw(() => turn.end(() => askAgain(turn)));
      if (of === conversation && !turn.answered) giveBack(question);
    } else if (!drawing) {
      drawing = true;
      requestAnimationFrame(() => { if (drawing) draw(() => turn.show()); });
    }
  });
  of.turns.push(turn);
  of.running = turn.answer;
  messages.append(turn.element);
  refresh();
  toEnd();
  turn.answer.ask(body, keyHeaders());
}

function askAgain(turn) {
  if (conversation.running || !conversation.turns.includes(turn)) return;
  dropTurn(conversation, turn);
  takeBack(turn.question);
  ask(turn.question);
}

input.oninput = fit;
input.onkeydown = (event) => {
  // While an input method composes a character, Enter belongs to it (229: so Safari says it).
  const composing = event.isComposing || event.keyCode === 229;
  if (event.key === 'Enter' && !event.shiftKey && !composing) {
    event.preventDefault();
    element('form').requestSubmit();
  }
};
element('form').onsubmit = (event) => {
  event.preventDefault();
  const question = input.value.trim();
  if (!question || conversation.running) return;
  input.value = '';
  fit();
  ask(question);
};
const stop = () => conversation.running?.stop();
element('stop').onclick = stop;
document.onkeydown = (event) => { if (event.key === 'Escape' && !event.isComposing) stop(); };
element('clear').onclick = () => {
  const old = conversation;
  conversation = newConversation();
  old.running?.stop();
  for (const turn of old.turns) {
    turn.element.remove();
    if (!turn.answered) takeBack(turn.question);
  }
  refresh();
  input.focus();
};

refresh();
loadModel();
