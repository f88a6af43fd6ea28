import { useId } from 'preact/hooks';
import { useWords, type Words } from '../words';
import { Dialog } from './dialog';
import { useLessMotion } from './flash';
import { NumberField } from './number_field';
import { changeSettings, NUDGE_MS_MAX, useSettings, type Language, type Settings } from './settings';

/** Each language in its own words. */
const LANGUAGE_NAMES: Record<Language, string> = { en: 'English', es: 'Español', de: 'Deutsch' };

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  choices: Record<T, string>;
  onChange: (value: T) => void;
}

function Choice<T extends string>({ label, value, choices, onChange }: ChoiceProps<T>) {
  return (
    <label class="labelled">
      <span class="label">{label}</span>
      <select class="field" value={value} onChange={(event) => onChange(event.currentTarget.value as T)}>
        {Object.entries<string>(choices).map(([key, name]) => <option key={key} value={key}>{name}</option>)}
      </select>
    </label>
  );
}

function NoFlashing({ words, settings }: { words: Words['settings']; settings: Settings }) {
  const hint = useId();
  const lessMotion = useLessMotion();
  return (
    <div>
      <label class="check">
        <input type="checkbox" checked={settings.noFlashing || lessMotion} disabled={lessMotion} aria-describedby={hint}
          onChange={(event) => changeSettings({ noFlashing: event.currentTarget.checked })} />
        {words.noFlashing}
      </label>
      <p class="hint" id={hint}>{lessMotion ? words.noFlashingSystem : words.noFlashingHint}</p>
    </div>
  );
}

function SoundSettings({ words, settings }: { words: Words['settings']; settings: Settings }) {
  const hint = useId();
  return (
    <>
      <label class="labelled">
        <span class="label">{words.volume}</span>
        <input type="range" min="0" max="1" step="0.05" value={settings.volume}
          onInput={(event) => changeSettings({ volume: event.currentTarget.valueAsNumber })} />
      </label>
      <label class="check">
        <input type="checkbox" checked={settings.click}
          onChange={(event) => changeSettings({ click: event.currentTarget.checked })} />
        {words.click}
      </label>
      <label class="labelled">
        <span class="label">{words.nudge}</span>
        <NumberField class="field" value={settings.nudgeMs} min={-NUDGE_MS_MAX} max={NUDGE_MS_MAX} step={5}
          describedBy={hint} onCommit={(nudgeMs) => changeSettings({ nudgeMs })} />
      </label>
      <p class="hint" id={hint}>{words.nudgeHint}</p>
    </>
  );
}

/** What a device keeps for itself. Changes take effect at once. */
export function SettingsDialog({ onClose }: { onClose: () => void }) {
  const { settings: words } = useWords();
  const settings = useSettings();
  return (
    <Dialog title={words.title} onClose={onClose}>
      <Choice label={words.language} value={settings.language}
        choices={{ auto: words.languageAuto, ...LANGUAGE_NAMES }}
        onChange={(language) => changeSettings({ language })} />
      <Choice label={words.theme} value={settings.theme}
        choices={{ system: words.themeSystem, light: words.themeLight, dark: words.themeDark }}
        onChange={(theme) => changeSettings({ theme })} />
      <NoFlashing words={words} settings={settings} />
      <SoundSettings words={words} settings={settings} />
    </Dialog>
  );
}
