// Pictures of a real lesson for the documentation: `npm run screenshots`. Look at them.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Browser, DESK, PHONE, TABLET } from "../harness/browser.mjs";
import { Server } from "../harness/server.mjs";

const NAMES = ["Mina", "Jonas", "Aylin", "Luca", "Emma", "Noah", "Zofia", "Tarek"];
const [SOME, DRUMMER, MUTED, ASKS] = [["Mina", "Jonas", "Luca", "Emma", "Noah"], "Zofia", "Luca", "Aylin"];
const images = process.env.DOWNBEAT_IMAGES ?? fileURLToPath(new URL("../../../docs/images/", import.meta.url));
mkdirSync(images, { recursive: true });

const server = await Server.start({ command: "dev", args: ["--no-browser"] });
const browser = await Browser.launch();
try {
  const teacher = await browser.teacher(server);
  const code = await teacher.makeRoom({ name: "Tuesday band", bpm: 96 });
  const students = {};
  for (const name of NAMES) {
    students[name] = await browser.student(server);
    await students[name].followLink(code, name);
    await students[name].isIn();
  }
  for (const [i, name] of NAMES.entries()) await teacher.cell((i % 4) + 1, name).click();
  await teacher.start();
  for (const [i, name] of SOME.entries())
    for (let note = 0; note <= i; note++) await students[name].refusal("playNote", 60 + 2 * i);
  await teacher.choosesRole(DRUMMER, "New section…");
  await teacher.dialog.getByLabel("Name of the section").fill("Drums");
  await teacher.dialog.getByRole("button", { name: "Put into section" }).click();
  await teacher.button(`Mute ${MUTED}`).click();
  await students[ASKS].button("Raise hand").click();
  await teacher.region("Taking part").getByText("5 of 8 have played").waitFor();
  const projector = await teacher.openProjector();
  await projector.page.getByText("Mina").first().waitFor();

  const pages = { teacher, student: students.Mina, projector };
  const looks = {
    light: ["light", DESK],
    dark: ["dark", DESK],
    phone: ["light", PHONE],
    "phone-dark": ["dark", PHONE],
    tablet: ["light", TABLET],
  };
  for (const [look, [colorScheme, { viewport }]] of Object.entries(looks)) {
    for (const [name, { page }] of Object.entries(pages)) {
      await page.bringToFront();
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(viewport);
      // In the middle of a bar, where the beat can be seen at work.
      await page.evaluate(
        () =>
          new Promise((resolve) =>
            globalThis.downbeatRoom.onBeat(({ pulse }) => pulse === 2 && setTimeout(resolve, 60)),
          ),
      );
      await page.screenshot({ path: join(images, `classroom-${name}-${look}.png`), fullPage: name === "teacher" });
    }
  }
} finally {
  await browser.close();
  await server.stop();
}
