using Peft.Models;

namespace Peft.Cli;

/// <summary>Language modelling.</summary>
internal sealed class LanguageTask() : ModelTask("causal-lm", "CAUSAL_LM", "ForCausalLM")
{
    public override PretrainedModel Load(string model, LoadOptions options)
    {
        RefusePooling(options);
        return CausalLM.FromPretrained(model, options);
    }

    public override TrainingDataset Open(ToolContext context, TaskFlags flags, DataSource source, RowReading reading, IReadOnlyList<string>? labels)
    {
        flags.RefuseDataset(context, Name);
        return DataFiles.Language(source, reading, context.Get(flags.BlockSize));
    }

    public override void Predict(ToolContext context, PretrainedModel model, Tokenizer tokenizer, DataSource source, int batchSize)
        => throw new ToolException("This model continues texts: use peft generate. If it has another head, name its task by --task.");
}
