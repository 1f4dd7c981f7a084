import { slim } from "./slim.mjs";

/** For jupyter-builder: the libraries as every build has them. */
export default function (source) {
  return slim(this.resourcePath, source);
}
