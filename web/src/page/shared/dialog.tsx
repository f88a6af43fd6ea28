import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { useWords } from '../words';
import { CloseIcon } from './icons';

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  /** The dialog's buttons; without any it has the one in its corner. */
  actions?: ComponentChildren;
  wide?: boolean;
}

/** A modal dialog, shown as long as it is drawn. The browser keeps the focus in it; whatever had it before gets it back. */
export function Dialog({ title, onClose, children, actions, wide = false }: DialogProps) {
  const words = useWords();
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const [element, opener] = [dialog.current, document.activeElement];
    element?.showModal();
    return () => {
      element?.close();
      // It has left the page already, so that the browser no longer gives the focus back.
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={wide ? 'dialog dialog-wide' : 'dialog'}
      aria-labelledby={id}
      onCancel={(event) => { event.preventDefault(); onClose(); }}
      onClick={(event) => { if (event.target === dialog.current) onClose(); }}
    >
      <div class="dialog-inside">
        <div class="dialog-head">
          <h2 id={id}>{title}</h2>
          <button type="button" class="icon-button" aria-label={words.common.close} onClick={onClose}>
            <CloseIcon />
          </button>
        </div>
        {children}
        {actions && <div class="dialog-actions">{actions}</div>}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  text: string;
  confirm: string;
  onConfirm: () => void;
  onClose: () => void;
}

/** Asks before something that cannot be undone. */
export function Confirm({ title, text, confirm, onConfirm, onClose }: ConfirmProps) {
  const words = useWords();
  const actions = (
    <>
      <button type="button" class="button" onClick={onClose}>{words.common.cancel}</button>
      <button type="button" class="button danger" onClick={() => { onClose(); onConfirm(); }}>{confirm}</button>
    </>
  );
  return <Dialog title={title} onClose={onClose} actions={actions}><p>{text}</p></Dialog>;
}
