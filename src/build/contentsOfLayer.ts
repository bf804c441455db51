import type { Layer } from '../image/image.ts';
import type { ListingStore } from '../layer/listingStore.ts';
import type { Change, Changes } from '../tree/change.ts';
import { LayerTree } from '../tree/layerTree.ts';
import { componentsOf } from '../tree/path.ts';

/** The same changes with contents out of the layer that was written of them: where they came from may be gone by now. */
export async function contentsOfLayer(changes: Changes, layer: Layer, listings: ListingStore): Promise<Changes> {
  const tree = LayerTree.empty();
  tree.applyLayer(layer, await listings.get(layer));
  return changes.map((change): Change => {
    if (change.kind !== 'put' || change.content === undefined) return change;
    let node: number | undefined = tree.root;
    for (const name of componentsOf(change.path)) node = node === undefined ? undefined : tree.child(node, name);
    if (node === undefined) throw new Error(`layer ${layer.diffId} lacks a file that was written to it`);
    return { ...change, content: tree.content(node) };
  });
}
