// The Markdown of model cards as elements, never as HTML of its own: headings, paragraphs, lists, tables, code, links.

import { html } from "./html.js";

const INLINE = /`([^`]+)`|\*\*(.+?)\*\*|\*([^*\s][^*]*)\*|(!?)\[([^\]]*)\]\(([^)\s]+)\)/g;

/** A text; `follow(address)` makes the click of a link that leads to another file, or null if it leads nowhere here. */
export function Markdown({ text, follow }) {
  return html`<div class="prose">${[...blocks(text)].map((block, i) => html`<${Block} key=${i} ...${block} follow=${follow} />`)}</div>`;
}

function* blocks(text) {
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; ) {
    const begin = i;
    const until = (test) => {
      while (i < lines.length && test(lines[i])) i++;
      return lines.slice(begin, i);
    };
    if (!lines[i].trim()) i++;
    else if (lines[i].startsWith("```")) {
      i++;
      until((line) => !line.startsWith("```"));
      yield { kind: "code", lines: lines.slice(begin + 1, i++) };
    } else if (/^#{1,6} /.test(lines[i])) yield { kind: "heading", lines: [lines[i++]] };
    else if (lines[i].startsWith("|")) yield { kind: "table", lines: until((line) => line.startsWith("|")) };
    else if (/^[-*] /.test(lines[i])) yield { kind: "list", lines: until((line) => /^([-*] |\s+\S)/.test(line)) };
    else {
      i++;
      until((line) => line.trim() && !/^([-*#|]|```)/.test(line));
      yield { kind: "paragraph", lines: lines.slice(begin, i) };
    }
  }
}

function Block({ kind, lines, follow }) {
  const inline = (text) => [...pieces(text, follow)];
  if (kind === "code") return html`<pre tabindex="0">${lines.join("\n")}</pre>`;
  if (kind === "heading") return html`<h3>${inline(lines[0].replace(/^#+ /, ""))}</h3>`;
  if (kind === "table") { // which scrolls by itself
    const rows = lines.filter((line) => !/^[|\s:-]+$/.test(line)).map((line) => line.split("|").slice(1, -1));
    return html`<div class="wide-table" tabindex="0"><table><tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${inline(cell.trim())}</td>`)}</tr>`)}</tbody></table></div>`;
  }
  if (kind === "list") {
    const items = lines.join("\n").split(/^[-*] /m).slice(1);
    return html`<ul>${items.map((item) => html`<li>${inline(item.replace(/\s+/g, " ").trim())}</li>`)}</ul>`;
  }
  return html`<p>${inline(lines.join(" "))}</p>`;
}

function* pieces(text, follow) {
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    const [all, code, strong, stressed, picture, words, address] = found;
    yield text.slice(end, found.index);
    end = found.index + all.length;
    if (code) yield html`<code>${code}</code>`;
    else if (strong) yield html`<strong>${[...pieces(strong, follow)]}</strong>`;
    else if (stressed) yield html`<em>${stressed}</em>`;
    else if (picture) continue; // of another folder
    else if (/^https?:\/\//.test(address)) yield html`<a href=${address} target="_blank" rel="noreferrer">${[...pieces(words, follow)]}</a>`;
    else {
      const go = follow(address);
      yield go ? html`<button type="button" class="link" onClick=${go}>${words}</button>` : [...pieces(words, follow)];
    }
  }
  yield text.slice(end);
}
