using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>Language modelling.</summary>
internal sealed class TrainTask() : TrainingTask("train", "Trains an adapter of a language model: on a text file, or on rows of text, of prompt and completion, or of messages.")
{
    private readonly Option<int> blockSize = new("--block-size") { Description = "Tokens of a block of a text file.", HelpName = "int", DefaultValueFactory = _ => 256 };

    public override IEnumerable<Option> Options => [blockSize];

    public override TrainingDataset Open(ToolContext context, DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger) => DataFiles.Language(source, tokenizer, context.Get(blockSize), maxLength, logger);
}
