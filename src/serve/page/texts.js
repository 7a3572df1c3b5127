// What the page says, in the language of the browser: English or Chinese.
const kTexts = {
  en: {
    settings: 'Settings', clear: 'New chat', theme: 'Light or dark', send: 'Send', stop: 'Stop',
    system: 'System prompt', temperature: 'Temperature', topP: 'Top-p', maxTokens: 'Max tokens',
    defaults: 'Empty fields take the model\'s defaults.', placeholder: 'Ask anything',
    key: 'API key (kept until this tab is closed)', keyWanted: 'This server asks for an API key: it goes into Settings.',
    messages: 'Conversation', question: 'You', answer: 'Model', code: 'code',
    staysHere: 'Everything you write stays on this machine.',
    goesTo: (host) => `What you write goes to the server ${host} and nowhere else.`,
    readable: 'The connection to it is not encrypted.',
    copy: 'Copy', copied: 'Copied', retry: 'Try again',
    thinking: 'Thinking …', thought: 'Thoughts',
    speed: 'tokens/s', first: 's to the first token', tokens: 'tokens',
    empty: '(empty answer)', stopped: 'stopped',
    length: 'The answer was cut off at the token limit: Max tokens, or what the model can hold.',
    cut: 'The answer was cut off: the connection ended before it was complete.',
    lost: 'No answer came: the connection to the server was lost.',
    failed: (status) => `The server refused (${status}).`,
    other: (reason) => `The answer ended early: ${reason}.`,
  },
  zh: {
    settings: '设置', clear: '新对话', theme: '浅色或深色', send: '发送', stop: '停止',
    system: '系统提示词', temperature: '温度', topP: 'Top-p', maxTokens: '最大 token 数',
    defaults: '留空则使用模型的默认值。', placeholder: '请输入问题',
    key: 'API 密钥（仅在本标签页内保存）', keyWanted: '此服务器需要 API 密钥，请在“设置”中填写。',
    messages: '对话', question: '您', answer: '模型', code: '代码',
    staysHere: '您输入的一切都只留在这台机器上。',
    goesTo: (host) => `您输入的内容只会发送到服务器 ${host}，不会发往别处。`,
    readable: '与该服务器的连接未加密。',
    copy: '复制', copied: '已复制', retry: '重试',
    thinking: '思考中……', thought: '思考过程',
    speed: 'token/秒', first: '秒出首个 token', tokens: '个 token',
    empty: '（空回答）', stopped: '已停止',
    length: '回答因达到 token 上限而中断：最大 token 数，或模型的上下文长度。',
    cut: '回答不完整：连接在回答结束前中断。',
    lost: '没有收到回答：与服务器的连接已断开。',
    failed: (status) => `服务器拒绝了请求（${status}）。`,
    other: (reason) => `回答提前结束：${reason}。`,
  },
};
const language = (navigator.language || 'en').toLowerCase().startsWith('zh') ? 'zh' : 'en';
const text = kTexts[language];

// Only a browser on the server's own machine reaches it by a loopback name.
function isThisMachine(host) {
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' ||
    /^127(\.\d{1,3}){3}$/.test(host);
}

function whereWordsGo() {
  if (isThisMachine(location.hostname)) return text.staysHere;
  const there = text.goesTo(location.hostname);
  return location.protocol === 'https:' ? there : there + (language === 'zh' ? '' : ' ') + text.readable;
}
