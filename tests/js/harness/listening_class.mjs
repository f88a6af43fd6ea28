// A teacher and three students before real pages whose sound is on, and an ear in each.
import { Ear, readAudioClocks } from "./ear.mjs";
import { Student, Teacher } from "./pages.mjs";

export const NAMES = ["Ada", "Ben", "Cem"];

/**
 * What moves on a page costs a machine without a graphics card more than all the rest: where the subject is time, four
 * pages on two processors ask for stillness, as people may.
 */
const STILL = { reducedMotion: "reduce", viewport: { width: 480, height: 800 } };

/** Somebody of either kind, whose audio contexts can be looked at. */
export async function seated(browser, Kind, door) {
  const context = await browser.device(STILL);
  await context.addInitScript(readAudioClocks);
  return browser.seat(new Kind(door, context));
}

export class ListeningClass {
  /**
   * @param {object} options
   * @param {import("./browser.mjs").Browser} options.browser
   * @param {(name: string) => {url: string}} options.door what each one reaches the server through
   * @param {(teacher: Teacher) => Promise<string>} options.enter brings the teacher into a room and gives its code
   * @param {(name: string) => string} [options.token] of a student who is no guest
   */
  static async open({ browser, door, enter, token }) {
    const teacher = await seated(browser, Teacher, door("teacher"));
    const code = await enter(teacher);
    const students = await Promise.all(
      NAMES.map(async (name) => {
        const student = await seated(browser, Student, door(name));
        if (token) await student.open(`/?room=${code}#token=${token(name)}`);
        else await student.followLink(code, name);
        return student.isIn();
      }),
    );
    const one = new ListeningClass(teacher, students, code);
    await one.listen();
    return one;
  }

  constructor(teacher, students, code) {
    Object.assign(this, { teacher, students, code });
    this.ears = [];
  }

  get people() {
    return [this.teacher, ...this.students];
  }

  /** Puts an ear into each page as it is now, and turns the sound on by a click, as anybody does. */
  async listen() {
    const names = ["the teacher", ...NAMES];
    this.ears = await Promise.all(this.people.map((person, index) => Ear.on(person.page, names[index])));
    await Promise.all(this.people.map((person) => person.beat.click()));
    // The teacher's sound has a button; a student's starts with the first click on whatever it be.
    if ((await this.teacher.button("Sound").getAttribute("aria-pressed")) === "false")
      await this.teacher.button("Sound").click();
    await Promise.all(this.ears.map((ear) => ear.isOn()));
  }

  records() {
    return Promise.all(this.ears.map((ear) => ear.record()));
  }
}
