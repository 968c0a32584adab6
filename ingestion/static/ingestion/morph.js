// Makes what is shown equal to new HTML by changing only what differs: the focus, a selection and what the reader has
// opened stay as they are.

function same(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
}

function attributes(from, to) {
  for (const { name } of [...from.attributes]) {
    const kept = name === "open" && from.nodeName === "DETAILS";
    if (!to.hasAttribute(name) && !kept) from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    const kept = name === "open" && from.nodeName === "DETAILS";
    if (from.getAttribute(name) !== value && !kept) from.setAttribute(name, value);
  }
}

function children(from, to) {
  let here = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    let found = here;
    if (wanted.id) {
      found = [...from.children].find((child) => same(child, wanted));
    } else {
      while (found && !same(found, wanted) && !found.id) found = found.nextSibling;
      if (found && !same(found, wanted)) found = null;
    }
    if (found) {
      while (here && here !== found && !holds(to, here)) {
        const gone = here;
        here = here.nextSibling;
        if (!stays(gone)) gone.remove();
      }
      if (found === here) here = here.nextSibling;
      else from.insertBefore(found, here);
      morph(found, wanted);
    } else {
      from.insertBefore(wanted, here);
    }
  }
  while (here) {
    const gone = here;
    here = here.nextSibling;
    if (!stays(gone)) gone.remove();
  }
}

// What the page itself has just said about a refusal; it goes after a while.
function stays(node) {
  return node.nodeType === Node.ELEMENT_NODE && node.matches(".failure[role]");
}

function holds(to, node) {
  return Boolean(node.id) && [...to.children].some((child) => child.id === node.id);
}

export function morph(from, to) {
  if (from.nodeType === Node.TEXT_NODE || from.nodeType === Node.COMMENT_NODE) {
    if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
    return;
  }
  attributes(from, to);
  children(from, to);
}

// The first element of HTML that our own server rendered. Scripts in it never run.
export function element(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html.trim();
  return holder.content.firstElementChild;
}
