import { LabIcon } from "@jupyterlab/ui-components";

/** The icon of the sidebar, its tabs and its launcher card: a growing thought. */
export const agentIcon = new LabIcon({
  name: "reasoning-widget:agent",
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3 jp-icon-selectable" fill="#616161" d="M12 2.8a6.9 6.9 0 0 0-4.2 12.4c.8.7 1.3 1.5 1.3 2.4v.6h5.8v-.6c0-.9.5-1.7
1.3-2.4A6.9 6.9 0 0 0 12 2.8Zm2.9 11.1c-.8.7-1.4 1.5-1.7 2.5h-2.4c-.3-1-.9-1.8-1.7-2.5a5.1 5.1 0 1 1 5.8 0ZM9.4 19.6h5.2v1.7H9.4Z"/>
  <path class="jp-icon3 jp-icon-selectable" fill="#616161" d="M9.2 8.9h5.6v1.5H9.2Zm0 2.6h3.7V13H9.2Z"/>
</svg>`,
});
