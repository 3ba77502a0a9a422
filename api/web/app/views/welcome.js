import { html } from 'lit';
import { icons } from '../lib/icons.js';
import { t } from '../lib/text.js';
import { copyable } from './copy.js';

// The commands that bring media in. They are the same in every language.
const commands = {
  session: (origin) => `curl -X POST ${origin}/api/v1/sessions \\
  -H "Authorization: Bearer $REELVAULT_ADMIN_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{"channel": "AV", "name": "First try"}'`,
  whip: (origin, id) => `${origin}/api/v1/sessions/${id}/whip?participant=studio&role=guest&source=camera`,
  ffmpeg: (url) => `ffmpeg -re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440 \\
  -c:v libx264 -profile:v baseline -pix_fmt yuv420p -g 60 -c:a libopus -ar 48000 -ac 2 \\
  -f whip -authorization "$REELVAULT_ADMIN_TOKEN" "${url}"`,
  gstreamer: (url) => `gst-launch-1.0 whipclientsink name=out signaller::auth-token="$REELVAULT_ADMIN_TOKEN" \\
  signaller::whip-endpoint="${url}" \\
  videotestsrc is-live=true ! video/x-raw,width=1280,height=720 ! videoconvert ! out. \\
  audiotestsrc is-live=true ! audioconvert ! out.`,
};

// whipWays shows how a WHIP client publishes into the session with this id.
export function whipWays(id) {
  const url = commands.whip(location.origin, id);
  return html`
    <h4>${t('ways.whip.url')}</h4>
    ${copyable(url, t('ways.whip.url'))}
    <p class="muted">${t('ways.whip.obs')}</p>
    <h4>ffmpeg</h4>
    ${copyable(commands.ffmpeg(url), 'ffmpeg')}
    <p class="muted">${t('ways.whip.ffmpeg')}</p>
    <h4>GStreamer</h4>
    ${copyable(commands.gstreamer(url), 'GStreamer')}
    <p class="muted">${t('ways.whip.gstreamer')}</p>
  `;
}

// waysIn explains how sessions come to be here. create makes one; first says
// that there has never been any.
export function waysIn({ create, first }) {
  return html`
    <div class="welcome">
      ${
        first
          ? html`<h2>${t('welcome.title')}</h2>
              <p class="lead">${t('welcome.text')}</p>`
          : ''
      }
      <div class="cards">
        <section>
          <h3>${icons.camera} ${t('ways.browser')}</h3>
          <p>${t('ways.browser.text')}</p>
          <ol>
            <li>${t('ways.browser.1')}</li>
            <li>${t('ways.browser.2')}</li>
            <li>${t('ways.browser.3')}</li>
          </ol>
          <button class="primary" @click=${create}>${icons.plus} ${t('new')}</button>
        </section>
        <section>
          <h3>${icons.api} ${t('ways.api')}</h3>
          <p>${t('ways.api.text')}</p>
          ${copyable(commands.session(location.origin), t('ways.api.curl'))}
          <p><a href="/docs">${t('ways.api.docs')}</a></p>
        </section>
        <section class="broad">
          <h3>${icons.antenna} ${t('ways.whip')}</h3>
          <p>${t('ways.whip.text')}</p>
          ${whipWays('SESSION_ID')}
        </section>
      </div>
    </div>
  `;
}
