import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Room } from '../../downbeat/types';
import { useWords } from '../words';
import { ConnectionBadge } from './connection';
import { SettingsIcon, SilentIcon, SoundIcon } from './icons';
import { SettingsDialog } from './settings_dialog';
import type { RoomSound } from './use_sound';

/** A link for those who go by keyboard: over the header, to what the page is for. */
export function SkipLink() {
  const words = useWords();
  return <a class="button skip" href="#content">{words.common.skipToContent}</a>;
}

export function SettingsButton() {
  const words = useWords();
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="icon-button" aria-label={words.common.settings} title={words.common.settings}
        onClick={() => setOpen(true)}><SettingsIcon /></button>
      {open && <SettingsDialog onClose={() => setOpen(false)} />}
    </>
  );
}

export function SoundButton({ sound }: { sound: RoomSound }) {
  const words = useWords();
  return (
    <button type="button" class="icon-button" aria-label={words.common.soundLabel} aria-pressed={sound.on}
      title={sound.on ? words.common.soundOff : words.common.soundOn} onClick={sound.on ? sound.stop : sound.start}>
      {sound.on ? <SoundIcon /> : <SilentIcon />}
    </button>
  );
}

interface HeaderProps {
  /** What the brand leads to. */
  home: string;
  room?: Room | null;
  /** What stands beside the brand. */
  start?: ComponentChildren;
  /** The page's own buttons. */
  children?: ComponentChildren;
}

/** The line at the top of a page. */
export function Header({ home, room = null, start, children }: HeaderProps) {
  return (
    <>
      <SkipLink />
      <header class="header">
        <a class="brand" href={home} aria-label="Downbeat">
          <img src="/icon.svg" alt="" width="28" height="28" /><b>Downbeat</b>
        </a>
        {start}
        <div class="header-end">
          {room && <ConnectionBadge room={room} />}
          {children}
          <SettingsButton />
        </div>
      </header>
    </>
  );
}
