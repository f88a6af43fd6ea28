/** Small drawings; the button or text beside them says what they mean. */
import type { ComponentChildren } from 'preact';

function Icon({ children }: { children: ComponentChildren }) {
  return <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{children}</svg>;
}

export const CloseIcon = () => <Icon><path d="M6 6l12 12M18 6 6 18" /></Icon>;
export const PlusIcon = () => <Icon><path d="M12 5v14M5 12h14" /></Icon>;
export const MinusIcon = () => <Icon><path d="M5 12h14" /></Icon>;
export const PlayIcon = () => <Icon><path class="solid" d="M8 5.5v13l10.5-6.5z" /></Icon>;
export const StopIcon = () => <Icon><rect class="solid" x="6.5" y="6.5" width="11" height="11" rx="2" /></Icon>;
export const CopyIcon = () => (
  <Icon>
    <rect x="9" y="9" width="11" height="11" rx="2.5" />
    <path d="M5.5 15H5a1.5 1.5 0 0 1-1.5-1.5V5A1.5 1.5 0 0 1 5 3.5h8.5A1.5 1.5 0 0 1 15 5v.5" />
  </Icon>
);
export const ScreenIcon = () => (
  <Icon>
    <rect x="3" y="4" width="18" height="12" rx="2.5" />
    <path d="M8.5 20h7M12 16v4" />
  </Icon>
);
export const LockIcon = () => (
  <Icon>
    <rect x="5" y="10.5" width="14" height="9.5" rx="2.5" />
    <path d="M8 10.5V8a4 4 0 0 1 8 0v2.5" />
  </Icon>
);
export const OpenLockIcon = () => (
  <Icon>
    <rect x="5" y="10.5" width="14" height="9.5" rx="2.5" />
    <path d="M8 10.5V8a4 4 0 0 1 7.6-1.7" />
  </Icon>
);
export const SoundIcon = () => (
  <Icon>
    <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11" />
  </Icon>
);
export const SilentIcon = () => (
  <Icon>
    <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5" />
  </Icon>
);
export const SettingsIcon = () => (
  <Icon><path d="M4 7h9M17 7h3M4 17h3M11 17h9" /><circle cx="15" cy="7" r="2" /><circle cx="9" cy="17" r="2" /></Icon>
);
export const KeyboardIcon = () => (
  <Icon>
    <rect x="3" y="6" width="18" height="12" rx="2.5" />
    <path d="M7 10h.01M11 10h.01M15 10h.01M7.5 14h9" />
  </Icon>
);
export const ReportIcon = () => <Icon><path d="M5 20V11M12 20V4M19 20v-6" /></Icon>;
export const HandIcon = () => (
  <Icon>
    <path class="solid" d="M7 13V6.5a1.5 1.5 0 0 1 3 0V11 4.5a1.5 1.5 0 0 1 3 0V11 5.5a1.5 1.5 0 0 1 3 0V13
      l1.2-2.1a1.6 1.6 0 0 1 2.8 1.5L17.3 18.5A6 6 0 0 1 12 22c-3.3 0-5-2.5-5-5z" />
  </Icon>
);
export const MutedIcon = () => (
  <Icon>
    <path d="M9 5.5a3 3 0 0 1 6 0V11m-1 3a3 3 0 0 1-5-2.2V9M6 11.5a6 6 0 0 0 9 5.2m3-5.2a6 6 0 0 1-.5 2.4" />
    <path d="M12 18v3M4 4l16 16" />
  </Icon>
);
export const MicrophoneIcon = () => (
  <Icon>
    <rect x="9" y="2.5" width="6" height="12" rx="3" />
    <path d="M6 11.5a6 6 0 0 0 12 0M12 17.5V21" />
  </Icon>
);
export const RemoveIcon = () => (
  <Icon>
    <circle cx="10" cy="8" r="3.5" />
    <path d="M3.5 19.5a6.5 6.5 0 0 1 11-4.2M16 18h5" />
  </Icon>
);
