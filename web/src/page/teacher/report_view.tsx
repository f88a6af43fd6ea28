import { useCallback, useEffect, useState } from 'preact/hooks';
import { attempt, say } from '../shared';
import { reasonOf } from '../shared/say';
import { useWords, type Words } from '../words';
import { openFile } from './report_files';
import { lessonReport, offsetOf, sharing, type LessonReport, type StudentFigures } from './report';

type TeacherWords = Words['teacher'];
const ASK_AGAIN_MS = 1_500;
const ASKED_MAX = 6;

interface FileButtonProps {
  code: string;
  kind: string;
  format: 'csv' | 'html';
  text: string;
}

function FileButton({ code, kind, format, text }: FileButtonProps) {
  const open = () => void attempt(openFile(code, kind, format));
  return <button type="button" class="button small" onClick={open}>{text}</button>;
}

function offsetText(ms: number | null, words: TeacherWords): string {
  if (ms === null) return '–';
  const offset = offsetOf(ms);
  if (offset.kind === 'on') return words.reportOnTheBeat;
  return offset.kind === 'early' ? words.reportEarly(offset.ms) : words.reportLate(offset.ms);
}

function percent(share: number | null): string {
  if (share === null) return '–';
  return new Intl.NumberFormat(document.documentElement.lang, { style: 'percent' }).format(share);
}

function StudentLine({ student, words }: { student: StudentFigures; words: TeacherWords }) {
  return (
    <tr>
      <th scope="row">{student.name}</th>
      <td>{Math.round(student.attended_s / 60) || words.reportUnderAMinute}</td>
      <td>{student.notes}</td>
      <td>{student.turns}</td>
      <td>{percent(student.within_50_ms_share)}</td>
      <td>{offsetText(student.offset_median_ms, words)}</td>
      <td>{student.assigned_beats > 0 ? words.reportOf(student.assigned_beats_hit, student.assigned_beats) : '–'}</td>
    </tr>
  );
}

function StudentTable({ report, words }: { report: LessonReport; words: TeacherWords }) {
  if (report.students.length === 0) return <p class="hint">{words.reportNobody}</p>;
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={words.reportStudents}>
      <table class="figures">
        <thead>
          <tr>
            <th scope="col">{words.reportStudent}</th>
            <th scope="col">{words.reportMinutes}</th>
            <th scope="col">{words.reportNotes}</th>
            <th scope="col">{words.reportTurns}</th>
            <th scope="col"><abbr title={words.reportInTimeHint}>{words.reportInTime}</abbr></th>
            <th scope="col">{words.reportOffset}</th>
            <th scope="col">{words.reportAssigned}</th>
          </tr>
        </thead>
        <tbody>
          {report.students.map((student) => <StudentLine key={student.student_id} student={student} words={words} />)}
        </tbody>
      </table>
    </div>
  );
}

function Summary({ report, words }: { report: LessonReport; words: TeacherWords }) {
  const shared = sharing(report.evenness, report.notes);
  const sentences = { even: words.reportEven, somewhat: words.reportSomewhatEven, uneven: words.reportUneven };
  return (
    <>
      <p>
        {words.reportSummary(Math.round(report.durationS / 60), report.students.length, report.notes)}
        {shared && ` ${sentences[shared]}`}
      </p>
      {report.noTurn.length > 0 && <p>{words.reportNoTurn(report.noTurn.join(', '))}</p>}
      {report.waiting && <p class="hint">{words.reportWaiting}</p>}
      {report.missing > 0 && <p class="hint">{words.reportMissing(report.missing)}</p>}
    </>
  );
}

function Reflections({ report, words }: { report: LessonReport; words: TeacherWords }) {
  const nameOf = new Map(report.students.map(({ student_id, name }) => [student_id, name]));
  if (report.reflections.length === 0) return <p class="hint">{words.reportNoReflections}</p>;
  return (
    <ul class="reflections">
      {report.reflections.map(({ id, student_id, reflection_text, mood }) => (
        <li key={id}>
          <p class="reflection-text">{reflection_text}</p>
          <p class="hint">{nameOf.get(student_id) ?? student_id}{mood !== null && ` · ${words.reportMood(mood)}`}</p>
        </li>
      ))}
    </ul>
  );
}

/** What the lesson was like: in figures and words, and as files. */
export function ReportView({ code }: { code: string }) {
  const { teacher: words, common } = useWords();
  const [report, setReport] = useState<LessonReport | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const load = useCallback(() => {
    lessonReport(code).then((answer) => { setReport(answer); setFailure(null); }, setFailure);
  }, [code]);
  useEffect(load, [load]);
  // What is on its way to the database is there in a moment; who waits for it should not have to ask.
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    if (!report?.waiting || asked >= ASKED_MAX) return undefined;
    const again = setTimeout(() => {
      setAsked(asked + 1);
      load();
    }, ASK_AGAIN_MS);
    return () => clearTimeout(again);
  }, [report, asked, load]);

  if (failure) {
    return (
      <div class="stack" role="alert">
        <p>{reasonOf(failure) === 'participation_off' ? words.reportOff : say(failure)}</p>
        <div><button type="button" class="button" onClick={load}>{common.tryAgain}</button></div>
      </div>
    );
  }
  if (!report) return <p class="hint" role="status">{common.loading}</p>;
  return (
    <div class="stack report">
      <Summary report={report} words={words} />
      <StudentTable report={report} words={words} />
      <div class="row">
        <button type="button" class="button small" onClick={load}>{words.reportRefresh}</button>
        <FileButton code={code} kind="participation" format="csv" text={words.reportCsv} />
        <FileButton code={code} kind="participation" format="html" text={words.reportPrint} />
      </div>
      <h3>{words.reportReflections}</h3>
      <Reflections report={report} words={words} />
      {report.reflections.length > 0 && (
        <div><FileButton code={code} kind="reflections" format="csv" text={words.reportReflectionsCsv} /></div>
      )}
    </div>
  );
}
