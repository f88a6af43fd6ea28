// Which page this is: the teacher's with ?role=teacher, else a student's.
const role = new URLSearchParams(location.search).get('role') === 'teacher' ? 'teacher' : 'student';
document.body.dataset.role = role;
const { open } = await import(`./${role}.js`);
open();
