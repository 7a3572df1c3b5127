// One answer: asks for it, reads the server-sent events, gathers what came. Knows nothing of the page and
// of other answers. `changed` is called when something came, and a last time when the answer has ended.
class Answer {
  content = '';
  reasoning = '';
  tokens = 0;        // as the server counts, once it has told; until then pieces
  askedAt = performance.now();
  firstAt = 0;       // when the first piece came; 0: none did
  lastAt = 0;
  // null while the answer runs. how: "complete"; "length", at the token limit; "other", for the reason in
  // words; "stopped", by the user; "cut", without its end; "failed", for the server's words, or null.
  ending = null;

  #changed;
  #controller = new AbortController();
  #finish = '';

  constructor(changed) { this.#changed = changed; }

  // Whatever still comes is not taken.
  stop() {
    this.#end('stopped');
    this.#controller.abort();
  }

  async ask(body, keyHeaders) {
    try {
      const response = await fetch('v1/chat/completions', {
        method: 'POST', headers: { 'Content-Type': 'application/json', ...keyHeaders },
        body: JSON.stringify(body), signal: this.#controller.signal,
      });
      if (!response.ok) {
        const said = await response.json().catch(() => null);
        this.#end('failed', said?.error?.message || text.failed(response.status));
        return;
      }
      for await (const data of eventsOf(response.body)) {
        this.#take(data);
        if (this.ending) return;
      }
    } catch (error) {  // the connection broke, or what came was no event of ours
      if (error.name !== 'AbortError') console.warn(error);
    }
    // A whole answer says so itself: an end of the connection is none.
    this.#end('cut');
  }

  #take(data) {
    if (data === '[DONE]') {
      const reason = this.#finish;
      if (reason === '') this.#end('cut');
      else if (reason === 'stop') this.#end('complete');
      else if (reason === 'length') this.#end('length');
      else this.#end('other', reason);
      return;
    }
    const event = JSON.parse(data);
    if (event.error) {
      this.#end('failed', String(event.error.message ?? event.error));
      return;
    }
    if (event.usage) this.tokens = event.usage.completion_tokens;
    const choice = event.choices?.[0];
    if (choice?.finish_reason) this.#finish = choice.finish_reason;
    const content = choice?.delta?.content || '';
    const reasoning = choice?.delta?.reasoning_content || '';
    if (!content && !reasoning) return;
    this.lastAt = performance.now();
    this.firstAt ||= this.lastAt;
    ++this.tokens;
    this.content += content;
    this.reasoning += reasoning;
    this.#changed();
  }

  #end(how, words = '') {
    if (this.ending) return;
    this.ending = { how, words };
    this.#changed();
  }
}

// The data of each server-sent event. Line ends of either kind, comments and other fields are as the
// HTML standard has them; an event that is not closed by an empty line does not count.
async function* eventsOf(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  let data = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
      rest = lines.pop();
      for (const ended of lines) {
        const line = ended.endsWith('\r') ? ended.slice(0, -1) : ended;
        if (line.startsWith('data:')) {
          data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
        } else if (line === '' && data.length > 0) {
          yield data.join('\n');
          data = [];
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});  // nobody reads on: the connection is free
  }
}
