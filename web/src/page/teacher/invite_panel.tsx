import { useEffect, useState } from 'preact/hooks';
import type { Room, RoomState } from '../../downbeat/types';
import { Dialog, attempt, notify } from '../shared';
import { CopyIcon, LockIcon, OpenLockIcon } from '../shared/icons';
import { QrCode } from '../shared/qr';
import { studentsOrigin } from '../shared/session';
import { useWords } from '../words';

const COPIED_MS = 2_500;

/** Where students open the room. */
export const joinLink = (code: string): string => `${studentsOrigin()}/?room=${code}`;

function CopyButton({ text }: { text: string }) {
  const { teacher: words } = useWords();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const done = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(done);
  }, [copied]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch { // no permission, or a page without TLS, where browsers have no clipboard at all
      notify(words.copyFailed);
    }
  };
  return (
    <button type="button" class="button small" onClick={() => void copy()}>
      <CopyIcon /><span aria-live="polite">{copied ? words.copied : words.copyLink}</span>
    </button>
  );
}

/** The code, large enough for the back row; the link; the picture for cameras; the door. */
export function InvitePanel({ room, state }: { room: Room; state: RoomState }) {
  const { teacher: words } = useWords();
  const [large, setLarge] = useState(false);
  const link = joinLink(state.code);
  const { locked } = state;
  return (
    <section class="card invite" aria-labelledby="invite-title">
      <div class="invite-words">
        <h2 id="invite-title" class="hint">{words.inviteHint}</h2>
        <p class="invite-code" style={{ '--letters': state.code.length }}>{state.code}</p>
        <p class="invite-link"><a href={link} target="_blank" rel="noopener">{link.replace(/^https?:\/\//, '')}</a></p>
        <div class="row">
          <CopyButton text={link} />
          <button type="button" class="button small"
            onClick={() => void attempt(locked ? room.controls.unlock() : room.controls.lock())}>
            {locked ? <LockIcon /> : <OpenLockIcon />}{locked ? words.unlock : words.lock}
          </button>
          <span role="status">{locked && <span class="chip chip-down"><LockIcon />{words.locked}</span>}</span>
        </div>
      </div>
      <button type="button" class="invite-qr" aria-label={`${words.qrLabel(state.code)}: ${words.showQr}`}
        title={words.showQr} onClick={() => setLarge(true)}>
        <QrCode text={link} label={words.qrLabel(state.code)} />
      </button>
      {large && (
        <Dialog title={words.inviteHint} onClose={() => setLarge(false)} wide>
          <div class="qr-large">
            <QrCode text={link} label={words.qrLabel(state.code)} />
            <p class="invite-code" style={{ '--letters': state.code.length }}>{state.code}</p>
            <p class="hint">{link}</p>
          </div>
        </Dialog>
      )}
    </section>
  );
}
