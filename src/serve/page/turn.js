// A question and its answer, as the page shows them. A turn writes into its own elements and nowhere else.
class Turn {
  element = document.createElement('div');
  answer = null;     // once asked for

  #box;              // the answer's
  #bubble;
  #view;
  #shown = 0;        // of the answer's content, in characters
  #thinking = null;  // <details>, once there are thoughts
  #thoughts = null;
  #thoughtsShown = 0;
  #retry = null;     // the button

  constructor(question) {
    this.question = question;
    this.element.className = 'turn';
    const asked = this.#addMessage('user', text.question);
    asked.bubble.textContent = question;
    const answered = this.#addMessage('assistant waiting', text.answer);
    this.#box = answered.box;
    this.#bubble = answered.bubble;
    this.#box.setAttribute('aria-busy', 'true');  // read out when it is whole, not in pieces
    this.#view = new TextView(this.#bubble);
  }

  // Whether the turn brought something, and so is part of the conversation.
  get answered() { return Boolean(this.answer?.content || this.answer?.reasoning); }

  messages() {
    const said = { role: 'assistant', content: this.answer.content };
    // The model's template decides which earlier thoughts the model sees again.
    if (this.answer.reasoning) said.reasoning_content = this.answer.reasoning;
    return [{ role: 'user', content: this.question }, said];
  }

  // Shows what has come since the last call.
  show() {
    const { content, reasoning } = this.answer;
    if (reasoning.length > this.#thoughtsShown) {
      if (!this.#thinking) this.#addThinking();
      this.#thoughts.append(reasoning.slice(this.#thoughtsShown));
      this.#thoughtsShown = reasoning.length;
    }
    if (content.length > this.#shown) {
      this.#view.append(content.slice(this.#shown));
      this.#shown = content.length;
      this.#endThinking();
    }
  }

  end(onRetry) {
    this.show();
    this.#view.finish();
    this.#endThinking();
    this.#box.classList.remove('waiting');
    this.#box.removeAttribute('aria-busy');
    const { content, ending } = this.answer;
    const complete = ending.how === 'complete';
    if (!content) {
      if (complete) this.#bubble.textContent = text.empty; else this.#bubble.remove();
    }
    const problem = this.#problem();
    if (problem) {
      const { box, bubble } = this.#addMessage('error', '');
      bubble.textContent = problem;
      box.setAttribute('role', 'alert');
    }
    const note = document.createElement('div');
    note.className = 'note';
    if (content) note.append(copyButton(() => content));
    this.#retry = document.createElement('button');
    this.#retry.type = 'button';
    this.#retry.className = 'plain retry';
    this.#retry.textContent = text.retry;
    this.#retry.onclick = onRetry;
    note.append(this.#retry);
    if (ending.how === 'stopped') note.append(text.stopped);
    this.element.append(note);
  }

  // The conversation has gone on.
  leaveBehind() { this.#retry?.remove(); }

  #problem() {
    const { how, words } = this.answer.ending;
    if (how === 'length') return text.length;
    if (how === 'other') return text.other(words);
    if (how === 'cut') return this.answered ? text.cut : text.lost;
    return words;
  }

  #addMessage(kind, name) {
    const box = document.createElement('div');
    box.className = 'message ' + kind;
    if (name) {
      box.setAttribute('role', 'article');
      box.setAttribute('aria-label', name);
    }
    const bubble = document.createElement('div');
    bubble.className = 'bubble';
    box.append(bubble);
    this.element.append(box);
    return { box, bubble };
  }

  #addThinking() {
    this.#thinking = document.createElement('details');
    this.#thinking.className = 'thinking';
    const summary = document.createElement('summary');
    summary.textContent = text.thinking;
    const content = document.createElement('div');
    content.className = 'thoughts';
    this.#thoughts = new TextView(content);
    this.#thinking.append(summary, content);
    this.#box.prepend(this.#thinking);
  }

  #endThinking() {
    if (!this.#thinking) return;
    this.#thoughts.finish();
    this.#thinking.firstChild.textContent = text.thought;
  }
}
