// The JupyterLab extension. This file and its imports are loaded when JupyterLab starts, so they stay small; views are loaded
// when they are first needed, through lazy.ts.

import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import { agents } from "./agents.ts";
import { insertChat } from "./insert.ts";
import { richOutputs } from "./rich.ts";
import { record } from "./transcript/plugin.ts";

const plugins: JupyterFrontEndPlugin<unknown>[] = [agents, insertChat, record, richOutputs];

export default plugins;
