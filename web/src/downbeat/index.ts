/** The browser's side of a Downbeat room. */
export * from './types';
export { joinRoom } from './room';
