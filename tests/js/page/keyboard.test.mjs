// By keyboard alone: a teacher's lesson from the first page to the end, and a student's part in it.
import { after, before, describe } from "node:test";
import assert from "node:assert/strict";
import { Browser } from "../harness/browser.mjs";
import { Server } from "../harness/server.mjs";
import { story } from "../harness/story.mjs";
import { eventually } from "../harness/wait.mjs";

describe("a lesson by keyboard alone", () => {
  const test = story();
  let server, browser, teacher, student, code;
  before(async () => {
    server = await Server.start({ command: "dev", args: ["--no-browser"] });
    browser = await Browser.launch();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** What has the focus: its name, and whether one can see that it has it. */
  const focus = ({ page }) =>
    page.evaluate(() => {
      const element = document.activeElement;
      const labels = [...(element.labels ?? [])].map(({ textContent }) => textContent);
      const name = element.getAttribute("aria-label") ?? (labels.length > 0 ? labels.join(" ") : element.textContent);
      // A box of the grid shows it on the mark that stands for it.
      const shown = [element, element.nextElementSibling].some(
        (one) => one && getComputedStyle(one).outlineStyle !== "none",
      );
      return { name: name.trim(), tag: element.tagName, shown };
    });

  /** Goes on with Tab until the control with this name has the focus, which must be seen all the way. */
  async function tabTo(person, name, { back = false } = {}) {
    const passed = [];
    for (let step = 0; step < 120; step++) {
      const now = await focus(person);
      if (now.name === name || (name instanceof RegExp && name.test(now.name))) return;
      await person.page.keyboard.press(back ? "Shift+Tab" : "Tab");
      const { name: next, tag, shown } = await focus(person);
      if (tag !== "BODY") assert.ok(shown, `the focus on ${next} (${tag}) cannot be seen`);
      passed.push(next);
    }
    assert.fail(`no way by Tab to ${name}; passed ${passed.join(" | ")}`);
  }

  const isOn = async (person, name) => {
    await eventually(
      `the focus on “${name}”`,
      async () => (await focus(person)).name,
      (now) => now === name,
    );
  };

  test("the teacher makes a room", async () => {
    teacher = await browser.teacher(server);
    const { page } = teacher;
    await teacher.open("/?role=teacher");
    await page.getByRole("heading", { name: "New room" }).waitFor();
    await page.keyboard.press("Tab");
    assert.equal((await focus(teacher)).name, "Skip to the content");
    await page.keyboard.press("Enter");
    await tabTo(teacher, "Name of the room");
    await page.keyboard.type("By keys");
    await page.keyboard.press("Enter");
    code = await teacher.code();
  });

  test("a student joins and plays", async () => {
    student = await browser.student(server);
    const { page } = student;
    await student.open("/");
    await tabTo(student, "Room code: the digits after MUSIC");
    await page.keyboard.type(code.replace(/\D/g, ""));
    await tabTo(student, "Your name");
    await page.keyboard.type("Ada");
    await page.keyboard.press("Enter");
    await student.isIn();
    await student.takeNotes();
    await page.keyboard.press("a");
    await student.hears(48, student.id);
    await tabTo(student, "C3");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await isOn(student, "D3");
    await page.keyboard.press("Enter");
    await student.hears(50, student.id);
    await tabTo(student, "Raise hand", { back: true });
    await page.keyboard.press("Space");
    await isOn(student, "Lower hand");
  });

  test("the teacher starts, assigns a beat, mutes, and lowers the hand", async () => {
    const { page } = teacher;
    await teacher.row("Ada").waitFor();
    await tabTo(teacher, "Start");
    await page.keyboard.press("Enter");
    await isOn(teacher, "Stop");
    await tabTo(teacher, "Mute Ada");
    await page.keyboard.press("Enter");
    await student.standing.getByText("You are muted").waitFor();
    await isOn(teacher, "Unmute Ada");
    await page.keyboard.press("Enter");
    await tabTo(teacher, /^Beat \d+, Ada$/);
    await page.keyboard.press("ArrowRight");
    await isOn(teacher, "Beat 2, Ada");
    await page.keyboard.press("Space");
    await student.knows(({ assignments }) => assignments.get(2)?.length === 1);
    await isOn(teacher, "Beat 2, Ada");
    await page.keyboard.press("t");
    await page.keyboard.press("l");
    await student.knows(({ locked }) => locked);
    await page.keyboard.press("l");
    await student.knows(({ locked }) => !locked);
  });

  test("dialogs give the focus back to where it was", async () => {
    const { page } = teacher;
    for (const [name, close] of [
      ["Settings", "Escape"],
      ["Report", "Escape"],
      ["Remove Ada", "Escape"],
      ["Keyboard shortcuts", "Escape"],
    ]) {
      await tabTo(teacher, name);
      await page.keyboard.press("Enter");
      await teacher.dialog.waitFor();
      assert.ok(
        await page.evaluate(() => document.activeElement.closest("dialog") !== null),
        "the focus is in the dialog",
      );
      await page.keyboard.press(close);
      await teacher.dialog.waitFor({ state: "detached" });
      await isOn(teacher, name);
    }
  });

  test("the student writes a reflection", async () => {
    const { page } = student;
    await tabTo(student, "How was it?");
    await page.keyboard.press("Enter");
    await student.dialog.waitFor();
    await tabTo(student, "What do you want to remember of this lesson?");
    await page.keyboard.type("Two keys");
    await tabTo(student, "Send");
    await page.keyboard.press("Enter");
    await student.dialog.getByText("Thank you. It is sent.").waitFor();
    await student.until(() => document.activeElement.closest("dialog") !== null);
    await page.keyboard.press("Escape");
    await student.dialog.waitFor({ state: "detached" });
    await isOn(student, "How was it?");
  });

  test("the teacher ends the lesson, and the focus is on what is said then", async () => {
    const { page } = teacher;
    await tabTo(teacher, "End lesson");
    await page.keyboard.press("Enter");
    await teacher.dialog.waitFor();
    await tabTo(teacher, "End lesson");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "The lesson is over." }).waitFor();
    await isOn(teacher, "The lesson is over.");
    await student.page.getByRole("heading", { name: /^The class is over/ }).waitFor();
    await isOn(student, "The class is over. Thank you for playing!");
    for (const person of [teacher, student]) person.watch.assertQuiet("by keyboard");
  });
});
