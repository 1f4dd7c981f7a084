import { withoutLists } from "./slim.mjs";

/** For jupyter-builder: the sanitizer as every build has it. */
export default withoutLists;
