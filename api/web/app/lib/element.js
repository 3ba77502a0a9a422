import { LitElement } from 'lit';

// All elements render into the document itself: one style sheet, labels that
// reach across elements, and nothing for a screen reader to pierce.
export class Element extends LitElement {
  createRenderRoot() {
    return this;
  }

  // emit tells the elements above that something happened.
  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
  }
}
