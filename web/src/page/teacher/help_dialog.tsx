import { Dialog } from '../shared';
import { useWords } from '../words';
import type { Action } from './shortcuts';

/** The keyboard shortcuts. */
export function HelpDialog({ onClose }: { onClose: () => void }) {
  const { teacher: words } = useWords();
  const { space, up, down, shift } = words.helpKeyNames;
  const keys: [Action, string[]][] = [
    ['start', [space]],
    ['faster', [up]],
    ['slower', [down]],
    ['fasterFive', [shift, up]],
    ['slowerFive', [shift, down]],
    ['tap', ['T']],
    ['mute', ['M']],
    ['lock', ['L']],
    ['help', ['?']],
  ];
  return (
    <Dialog title={words.help} onClose={onClose}>
      <p class="hint">{words.helpIntro}</p>
      <dl class="keys-list">
        {keys.map(([action, names]) => (
          <div key={action}>
            <dt>{names.map((name) => <kbd key={name}>{name}</kbd>)}</dt>
            <dd>{words.helpKeys[action]}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
