/** A file of this page, as it was exported: the browser compares it with its digest. */
export async function whole(file, integrity) {
  try {
    return await fetch(file, { integrity });
  } catch {
    throw new Error(`${file} is missing, damaged or changed: export the page anew.`);
  }
}
