// Shows an answer's text as it comes: as it is written, and what stands between fences (```) as code.
// Everything becomes text nodes: nothing that a model writes is ever read as HTML.

// A new piece makes the browser lay out the block that it falls into, not the whole answer: blocks end
// with the line after so many characters, some 50 lines.
const kBlockLength = 4000;

class TextView {
  #parent;           // where blocks go: the answer, or a code block in it
  #place;            // the answer
  #tag = 'div';      // of blocks
  #node = null;      // the text of the last block
  #fence = '';       // what opened the code block, "```" or more
  #begun = '';       // of a line that may yet become a fence
  #lineBegins = true;

  constructor(place) { this.#place = this.#parent = place; }

  append(piece) {
    for (const part of piece.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
      let line = part;
      if (this.#lineBegins) {
        line = this.#begun + part;
        this.#begun = '';
        if (/^[ \t]*(`{0,2}$|`{3,}[^`\n]*$)/.test(line)) {  // how it goes on decides
          this.#begun = line;
          continue;
        }
        if (this.#isFence(line)) continue;
      }
      this.#write(line);
      this.#lineBegins = line.endsWith('\n');
    }
  }

  // No more comes: what looked like the beginning of a fence is decided.
  finish() {
    if (this.#begun && !this.#isFence(this.#begun)) this.#write(this.#begun);
    this.#begun = '';
  }

  #isFence(line) {
    const found = /^[ \t]*(`{3,})([^`\n]*)\n?$/.exec(line);
    if (!found) return false;
    const [, ticks, info] = found;
    if (this.#fence) {
      if (ticks.length < this.#fence.length || info.trim()) return false;
      this.#fence = '';
      this.#into(this.#place, 'div');
    } else {
      this.#fence = ticks;
      this.#openCode(info.trim().split(/\s/)[0]);
    }
    return true;
  }

  #openCode(name) {
    const code = document.createElement('pre');
    code.dir = 'ltr';
    code.tabIndex = 0;  // keys scroll it
    code.setAttribute('role', 'region');
    code.setAttribute('aria-label', name || text.code);
    const head = document.createElement('div');
    head.className = 'code-head';
    const title = document.createElement('span');
    title.textContent = name;
    head.append(title, copyButton(() => code.textContent));
    const box = document.createElement('div');
    box.className = 'code';
    box.append(head, code);
    this.#place.append(box);
    this.#into(code, 'code');
  }

  #into(parent, tag) {
    this.#parent = parent;
    this.#tag = tag;
    this.#node = null;
  }

  #write(line) {
    if (!this.#node || (this.#lineBegins && this.#node.length > kBlockLength)) {
      const block = document.createElement(this.#tag);
      block.className = 'block';
      this.#node = document.createTextNode('');
      block.append(this.#node);
      this.#parent.append(block);
    }
    this.#node.appendData(line);
  }
}

function copyButton(content) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'plain';
  button.textContent = text.copy;
  button.onclick = async () => {
    await copyText(content());
    button.textContent = text.copied;
    setTimeout(() => { button.textContent = text.copy; }, 1500);
  };
  return button;
}

// The clipboard API exists on https and localhost only; selecting works everywhere.
async function copyText(content) {
  try {
    await navigator.clipboard.writeText(content);
  } catch {
    const focused = document.activeElement;
    const area = document.createElement('textarea');
    area.value = content;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
    focused?.focus();
  }
}
