// Short names for finding and creating elements of the page.

export const byId = (id) => document.getElementById(id);

// An element with properties and children; children are elements or text.
export function createElement(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}
