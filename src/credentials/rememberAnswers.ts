import { runCredentialHelper, type HelperAnswer, type HelperRunner } from './helper.ts';

/**
 * Runs credential helpers while that is possible, and otherwise repeats what they said before: during an in-place build the
 * machine's programs and libraries are not where they were.
 */
export function rememberAnswers(mayRun: () => boolean, run: HelperRunner = runCredentialHelper): HelperRunner {
  const answers = new Map<string, HelperAnswer>();
  return async (helper, server, environment) => {
    const key = JSON.stringify([helper, server]);
    if (!mayRun()) {
      return (
        answers.get(key) ?? { kind: 'failed', reason: 'it was not asked before / was borrowed for a RUN in place' }
      );
    }
    const answer = await run(helper, server, environment);
    answers.set(key, answer);
    return answer;
  };
}
