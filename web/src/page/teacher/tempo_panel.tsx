import { useWords } from '../words';
import { MinusIcon, PlusIcon } from '../shared/icons';
import { NumberField } from '../shared/number_field';
import { BPM_MAX, BPM_MIN, type Tempo } from './use_tempo';

/** Where the slider ends: what lessons use, in steps that a finger can hit. The number takes all tempos. */
const SLIDER = { min: 30, max: 240 };

/** The tempo, by number, slider, steps and taps. */
export function TempoPanel({ tempo }: { tempo: Tempo }) {
  const { teacher: words, common } = useWords();
  return (
    <div class="tempo">
      <div class="tempo-line">
        <button type="button" class="button tempo-step" aria-label={words.slower} onClick={() => tempo.nudge(-1)}>
          <MinusIcon />
        </button>
        <label class="tempo-number">
          <NumberField value={tempo.bpm} min={BPM_MIN} max={BPM_MAX} label={words.tempo} onCommit={tempo.set} />
          <span aria-hidden="true">{common.bpm}</span>
        </label>
        <button type="button" class="button tempo-step" aria-label={words.faster} onClick={() => tempo.nudge(1)}>
          <PlusIcon />
        </button>
        <button type="button" class="button tempo-tap" onPointerDown={(event) => tempo.tap(event.timeStamp)}
          onClick={(event) => { if (event.detail === 0) tempo.tap(event.timeStamp); }}>{words.tap}</button>
      </div>
      <input type="range" min={SLIDER.min} max={SLIDER.max} value={tempo.bpm} aria-label={words.tempoSlider}
        onInput={(event) => tempo.set(event.currentTarget.valueAsNumber)} />
    </div>
  );
}
