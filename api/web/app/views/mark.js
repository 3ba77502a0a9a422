import { html } from 'lit';

// mark is the sign and the name of the product.
export const mark = html`
  <svg viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="8" />
    <circle class="line" cx="16" cy="16" r="9.25" />
    <circle cx="16" cy="16" r="2.5" />
    <circle cx="16" cy="10.8" r="1.5" />
    <circle cx="16" cy="21.2" r="1.5" />
    <circle cx="10.8" cy="16" r="1.5" />
    <circle cx="21.2" cy="16" r="1.5" />
  </svg>
  <span>Reelvault</span>
`;
