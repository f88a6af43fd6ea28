/** How often the room looks at what is due. */
export const TICK_MS = 25;
