import { texts } from '../texts.js';

// t gives the text with this key, {name} replaced by params.name. A number n
// in params chooses between key.one and key.other.
export function t(key, params = {}) {
  const text = texts[key] ?? texts[`${key}.${params.n === 1 ? 'one' : 'other'}`];
  if (text === undefined) throw new Error(`no text ${key}`);
  return fill(text, params);
}

function fill(text, params) {
  return text.replace(/\{(\w+)\}/g, (_, name) => params[name] ?? '');
}

// label gives the text of a wire value, or the value itself if a newer server
// knows one that this page does not.
export function label(group, value, params = {}) {
  const text = texts[`${group}.${value}`];
  return text === undefined ? String(value ?? '') : fill(text, params);
}
