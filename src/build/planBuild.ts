import { parseTrigger } from '../dockerfile/parseDockerfile.ts';
import { BuildError } from '../errors.ts';
import type { Dockerfile, Instruction } from '../dockerfile/instruction.ts';
import { planStages, type PlannedBuild, type PlanOptions } from '../plan/planStages.ts';
import type { PlannedStage } from '../plan/step.ts';
import type { BuildSession } from './session.ts';

/**
 * Plans with the ONBUILD triggers of the base images, which may need further stages, whose bases may have triggers again.
 * Fetches manifests and configurations only of the bases that are needed.
 */
export async function planBuild(
  session: BuildSession,
  dockerfile: Dockerfile,
  options: PlanOptions,
): Promise<PlannedBuild> {
  const onbuild = new Map<number, readonly Instruction[]>();
  for (;;) {
    const plan = planStages(dockerfile, { ...options, onbuild });
    const unknown = plan.stages.filter((stage) => stage.base.kind === 'image' && !onbuild.has(stage.index));
    if (unknown.length === 0) return plan;
    const found = await Promise.all(unknown.map((stage) => triggersOf(session, stage)));
    for (const [index, triggers] of found) onbuild.set(index, triggers);
  }
}

async function triggersOf(
  session: BuildSession,
  { index, base, from }: PlannedStage,
): Promise<[number, readonly Instruction[]]> {
  if (base.kind !== 'image') return [index, []];
  const platform = base.platform ?? session.request.platform;
  const { config } = await session.image(base.reference, platform).catch((error: unknown) => {
    throw error instanceof BuildError ? error.at(from.location) : error;
  });
  return [index, (config.config?.OnBuild ?? []).map((trigger) => parseTrigger(trigger, from.location))];
}
