import { useCallback, useEffect, useState } from 'preact/hooks';
import { Notice, attempt, say } from '../shared';
import { createRoom, listRooms, type RoomSummary } from '../shared/api';
import { Header } from '../shared/header';
import { useWords } from '../words';

const DEFAULT_BPM = 100;

function NewRoom({ onOpen }: { onOpen: (code: string) => void }) {
  const { teacher: words } = useWords();
  const [busy, setBusy] = useState(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    await attempt(createRoom({
      name: String(form.get('name')).trim(),
      bpm: Number(form.get('bpm')),
      beats_per_bar: Number(form.get('beats')),
    }).then(({ room_id: code }) => onOpen(code)));
    setBusy(false);
  };
  return (
    <section class="card" aria-labelledby="new-room-title">
      <form class="stack" onSubmit={(event) => void submit(event)}>
        <h2 id="new-room-title">{words.newRoom}</h2>
        <label class="labelled"><span class="label">{words.roomName}</span>
          <input class="field" type="text" name="name" maxLength={100} autocomplete="off"
            placeholder={words.roomNamePlaceholder} />
        </label>
        <div class="fields">
          <label class="labelled"><span class="label">{words.roomTempo}</span>
            <input class="field" type="number" name="bpm" min="1" max="299" required
              defaultValue={String(DEFAULT_BPM)} />
          </label>
          <label class="labelled"><span class="label">{words.beatsPerBar}</span>
            <input class="field" type="number" name="beats" min="1" max="64" required defaultValue="4" />
          </label>
        </div>
        <button class="button strong" disabled={busy}>{words.createRoom}</button>
      </form>
    </section>
  );
}

function RoomItem({ room, onOpen }: { room: RoomSummary; onOpen: (code: string) => void }) {
  const { teacher: words, common } = useWords();
  const name = room.name || words.roomUnnamed;
  return (
    <li>
      <a class="room-item" href={`/?role=teacher&room=${room.room_id}`}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          onOpen(room.room_id);
        }}>
        <span class="room-name">{name}</span>
        <span class="room-code">{room.room_id}</span>
        <span class="hint room-state">
          {words.roomPeople(room.members)} · {room.bpm} {common.bpm}{room.playing && ` · ${words.roomPlaying}`}
        </span>
      </a>
    </li>
  );
}

function RoomList({ onOpen }: { onOpen: (code: string) => void }) {
  const { teacher: words, common } = useWords();
  const [rooms, setRooms] = useState<RoomSummary[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const load = useCallback((cursor?: string) => {
    listRooms(cursor).then((page) => {
      setRooms((held) => [...(cursor ? held ?? [] : []), ...page.rooms]);
      setNext(page.next);
      setFailure(null);
    }, setFailure);
  }, []);
  useEffect(() => load(), [load]);
  return (
    <section class="card" aria-labelledby="rooms-title">
      <div class="card-head">
        <h2 id="rooms-title">{words.roomsTitle}</h2>
        <button type="button" class="button small" onClick={() => load()}>{words.roomsRefresh}</button>
      </div>
      {failure !== null && <p class="wrong" role="alert">{say(failure)}</p>}
      {rooms === null && failure === null && <p class="hint" role="status">{common.loading}</p>}
      {rooms?.length === 0 && <p class="hint">{words.roomsEmpty}</p>}
      <ul class="room-list">{rooms?.map((room) => <RoomItem key={room.room_id} room={room} onOpen={onOpen} />)}</ul>
      {next && <button type="button" class="button small" onClick={() => load(next)}>{words.roomsMore}</button>}
    </section>
  );
}

/** Where a teacher begins: a new room, or one that is open. */
export function RoomsPage({ onOpen }: { onOpen: (code: string) => void }) {
  const { teacher: words } = useWords();
  return (
    <>
      <Header home="/?role=teacher" />
      <main id="content" class="rooms" tabIndex={-1}>
        <h1 class="rooms-title">{words.welcome}</h1>
        <NewRoom onOpen={onOpen} />
        <RoomList onOpen={onOpen} />
      </main>
      <Notice />
    </>
  );
}
