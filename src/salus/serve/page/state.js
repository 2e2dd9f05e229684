// The page's state, and the events by which its parts tell one another of changes.

export const state = {
  info: null,        // the server's network and limits, see GET /v1/info
  cases: [],         // open images, see `makeCase`
  current: null,     // the selected one
  number: 1,         // of its frame on the canvas
  frame: null,       // that frame's pixels, masks and answer, see frames.js
  drafts: new Map(), // images with unsaved outlines: case's id -> frames, see drafts.js
  tool: "pan",
  pointOutside: false, // a click of the prompt tool points outside of the lesion
  brushRadius: 9,    // in pixels of the image
  display: { outline: true, network: false, calipers: false, fill: 0.1, probability: 0, saliency: 0, window: 255, level: 128, invert: false },
};

const listeners = new Map();

// Events:
//   select-case(openCase or null)  look at an image           cases-changed       the list of open images
//   show-frame(number)             look at a frame            case-closed         an image was closed
//   reload-frame                   load the frame again       frame-changed       another frame is on the canvas
//   mask-changed                   the outline was edited     answer-changed      new measurements are there
//   drawing-done(case, frame, mask before)  a stroke or polygon ended
//   drag-begun                     a stroke, a caliper ...    outline-saved(case) the saved outline changed
//   display-changed(name)          a display slider moved     window-dragged(dx, dy)  window and level by the mouse
//   tool-changed                   another tool               zoom-changed(scale)
//   calipers-changed               set, or calibrated         brush-turned(larger)   the wheel was turned with Shift
//   prompts-changed                something was pointed at
//   draft-of-other-picture(case, frame, record)  an unsaved outline of this name was drawn on a picture that was replaced since
//   delete-lesion(number)          of the list            accept-lesion(number), reject-lesion(number)  of the list
//   notes-saved(case)              a description, a mark      image-handled(case)  it needs no outline
//   failed(error)                  a request of the viewer    outline-kept        an outline was saved

export function on(name, listener) {
  listeners.set(name, [...(listeners.get(name) ?? []), listener]);
}

export function emit(name, ...args) {
  for (const listener of listeners.get(name) ?? []) listener(...args);
}

// What an image of the worklist is called in this browser: images of one name in two folders are not the same.
export const workId = (name) => `work:${state.info.worklist_id}:${name}`;

// An open image. `info` is the server's description; `label` is the file's name; `id` names it in this browser.
export function makeCase(info, label, id = info.work ? workId(label) : info.key) {
  return {
    ...info,
    label,
    id,
    status: "waiting",          // waiting, working, tumour, none, saved, failed
    statusText: "waiting",      // as the list shows it
    answers: new Array(info.frames).fill(null), // of each frame
    loaded: new Map(),          // frame number -> frame
    streaming: false,
    thumb: null,
  };
}
