using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>How rows are tokenized.</summary>
/// <param name="Tokenizer">The model's tokenizer.</param>
/// <param name="GivenLength">Maximum number of tokens of a row, if it was given.</param>
/// <param name="Logger">Receives warnings.</param>
/// <param name="Cache">Keeps the tokens; null for memory.</param>
internal sealed record RowReading(Tokenizer Tokenizer, int? GivenLength, ILogger Logger, TokenCache? Cache)
{
    /// <summary>Maximum number of tokens of a row that can be truncated.</summary>
    public int MaxLength => GivenLength ?? 1024;
}
