using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>How rows are tokenized.</summary>
/// <param name="Tokenizer">The model's tokenizer.</param>
/// <param name="MaxLength">Maximum number of tokens of a row.</param>
/// <param name="Logger">Receives warnings.</param>
/// <param name="Cache">Keeps the tokens; null for memory.</param>
internal sealed record RowReading(Tokenizer Tokenizer, int MaxLength, ILogger Logger, TokenCache? Cache);
