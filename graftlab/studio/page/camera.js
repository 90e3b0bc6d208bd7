// The camera: opened, looked through, closed.

let camera = null; // { video, stream, canvas }

/** Throws an Error whose message is a sentence for people. */
export async function openCamera() {
  if (!navigator.mediaDevices) throw new Error("Browsers allow cameras only on this machine or over https: open this page at 127.0.0.1, or from a host by https.");
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, frameRate: { ideal: 30 } } });
  } catch (error) {
    throw new Error(error.name === "NotFoundError" ? "There is no camera: plug one in, or take the walk."
      : "The browser does not let the page see the camera: allow it beside the address, and choose it again.");
  }
  closeCamera();
  const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true, playsInline: true });
  camera = { video, stream, canvas: new OffscreenCanvas(1, 1) };
  await video.play();
}

export function closeCamera() {
  for (const track of camera?.stream.getTracks() ?? []) track.stop();
  camera = null;
}

/** The time of the camera's newest picture; null while there is none. */
export const seen = () => (camera?.video.readyState >= 2 ? camera.video.currentTime : null);

/** The camera's picture on a canvas, its short side `side` pixels. */
export function shot(side) {
  const { video, canvas } = camera;
  const { videoWidth: width, videoHeight: height } = video;
  const scale = side / Math.min(width, height);
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas;
}
