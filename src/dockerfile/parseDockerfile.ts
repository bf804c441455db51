// From a Dockerfile's text to its instructions, after BuildKit's front end. Nothing is read, nothing is expanded.
import { locate, sourceText } from './sourceExcerpt.ts';
import { parseInstruction } from './parseInstruction.ts';
import { placeSyntaxError, syntaxError } from './syntaxError.ts';
import { readStatements } from './readStatements.ts';
import type { SourceLocation } from '../errors.ts';
import type { Dockerfile, Instruction, ParsedStage } from './instruction.ts';

/**
 * Parses a whole Dockerfile. `file` is its name in messages.
 * @throws BuildError `DOCKERFILE_SYNTAX` with BuildKit's words, and the place where there is one
 */
export function parseDockerfile(text: string, options: { readonly file: string }): Dockerfile {
  if (text === '') throw syntaxError('the Dockerfile cannot be empty');
  const source = sourceText(text, options.file);
  const { escape, directives, statements } = readStatements(source);
  if (statements.length === 0) throw syntaxError('file with no instructions');
  const globalArgs: Instruction[] = [];
  const stages: { from: ParsedStage['from']; instructions: Instruction[] }[] = [];
  const warnings: { message: string; location: SourceLocation }[] = [];
  for (const statement of statements) {
    const location = locate(source, statement.startLine, statement.endLine);
    if (statement.emptyContinuation) {
      warnings.push({ message: 'NoEmptyContinuation: Empty continuation line', location });
    }
    placeSyntaxError(location, () => {
      const instruction = parseInstruction({ ...statement, location, escape });
      if (instruction.kind === 'from') stages.push({ from: instruction, instructions: [] });
      else if (stages.length > 0) stages.at(-1)?.instructions.push(instruction);
      else if (instruction.kind === 'arg') globalArgs.push(instruction);
      else throw syntaxError('no build stage in current context', 'Only ARG may stand before the first FROM.');
    });
  }
  if (stages.length === 0) throw syntaxError('dockerfile contains no stages to build');
  return { file: options.file, escape, directives, globalArgs, stages, warnings };
}

/**
 * An ONBUILD trigger out of a base image's configuration. `location` is the FROM that brings it in.
 * @throws BuildError `DOCKERFILE_SYNTAX`, placed at `location`
 */
export function parseTrigger(trigger: string, location: SourceLocation): Instruction {
  return placeSyntaxError(location, () => {
    const { escape, statements } = readStatements(sourceText(trigger, location.file));
    const [statement] = statements;
    if (statement === undefined || statements.length !== 1) {
      throw syntaxError('onbuild trigger should be a single expression');
    }
    const instruction = parseInstruction({ ...statement, location, escape });
    if (instruction.kind === 'from') throw syntaxError("FROM isn't allowed as an ONBUILD trigger");
    return instruction;
  });
}
