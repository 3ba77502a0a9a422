import { t } from './text.js';

const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const timeOnly = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

// when gives a time of today without its date.
export function when(iso) {
  if (!iso) return t('none');
  const at = new Date(iso);
  return at.toDateString() === new Date().toDateString()
    ? t('format.today', { time: timeOnly.format(at) })
    : dateTime.format(at);
}

// wallClock gives the time of day, from ms since 1970.
export function wallClock(ms) {
  return timeOnly.format(ms);
}

// clock gives milliseconds as 4:05 or 1:02:03.
export function clock(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor(s / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

// fine is clock with tenths of a second, for gaps.
export function fine(ms) {
  return `${clock(ms)}.${Math.floor((Math.max(0, ms) % 1000) / 100)}`;
}

// bytes gives a size in powers of 1024.
export function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = n ?? 0;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

// durationOf gives how long a session or recording lasts, in ms, up to now
// while it goes on.
export function durationOf(start, end, now = Date.now()) {
  if (!start) return 0;
  return Math.max(0, (end ? Date.parse(end) : now) - Date.parse(start));
}

// shortId gives the end of a UUIDv7: its beginning is a time, alike in
// neighbours.
export function shortId(id) {
  return id.slice(-8);
}

// titleOf gives what a session is called.
export function titleOf(session) {
  return session.name || session.externalId || t('session.unnamed', { id: shortId(session.id) });
}
