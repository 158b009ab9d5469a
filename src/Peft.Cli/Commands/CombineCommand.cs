using System.Globalization;

namespace Peft.Cli;

/// <summary><c>peft combine</c></summary>
internal static class CombineCommand
{
    private const string Result = "combined-result";

    public static Command Create(PeftTool tool)
    {
        var model = new ModelFlags();
        var parts = new Argument<string[]>("adapters") { Description = "LoRA adapters, each FOLDER or FOLDER:WEIGHT; the weight is 1 without one.", Arity = ArgumentArity.OneOrMore };
        var output = OutputFolder.Required("Folder of the combined adapter.");
        var kind = new Option<string>("--kind") { Description = "How they are combined.", DefaultValueFactory = _ => "linear" }.AcceptOnly([.. Enum.GetNames<Combination>().Select(Snake)]);
        var density = new Option<double?>("--density") { Description = "Fraction of the elements that pruning keeps, for ties, dare and magnitude_prune.", HelpName = "0…1" };
        var rank = new Option<int?>("--rank", "-r") { Description = "Rank of the result of an svd kind.", HelpName = "int" };
        return tool.Command("combine", "Combines LoRA adapters of one model into a new one.", [parts, output, kind, density, rank, .. model.All], context =>
        {
            var folder = OutputFolder.New(context, output);
            var given = context.Get(parts)!.Select(Part).ToList();
            var load = model.Load(context);
            var name = context.Get(model.Model) ?? LoadedModel.BaseOf(given[0].Folder, load);
            var first = LoadedModel.Folder(given[0].Folder, load);
            using var pretrained = ModelTask.Of(null, first, name).Load(name, load);
            using var peft = pretrained.ApplyAdapter(first, Name(0));
            for (var i = 1; i < given.Count; i++) peft.LoadAdapter(LoadedModel.Folder(given[i].Folder, load), Name(i));
            try
            {
                peft.Combine(Result, [.. given.Select((part, i) => (Name(i), part.Weight))], new()
                {
                    Kind = Enum.GetValues<Combination>().First(value => Snake(value.ToString()) == context.Get(kind)),
                    Density = context.Get(density),
                    Rank = context.Get(rank),
                });
            }
            catch (AdapterOptionsException refused)
            {
                // The user knows the adapters by their folders.
                throw new ToolException(Enumerable.Range(0, given.Count).Aggregate(context.Translate(refused.Message), (text, i) => text.Replace(Name(i), given[i].Folder, StringComparison.Ordinal)), refused);
            }
            peft.Rename(Result, PeftModel.DefaultName);
            peft.SaveAdapter(folder, PeftModel.DefaultName);
            OutputFolder.Report(context, folder, new { Kind = context.Get(kind), Parts = given.Select(part => new { part.Folder, part.Weight }) });
        });
    }

    // A folder may contain a colon too.
    private static (string Folder, double Weight) Part(string text)
    {
        var at = text.LastIndexOf(':');
        if (at <= 0 || Path.Exists(text)) return (text, 1);
        if (double.TryParse(text[(at + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out var weight) && double.IsFinite(weight)) return (text[..at], weight);
        return Path.Exists(text[..at]) ? throw new ToolException($"The weight of {text[..at]} must be a number, but was '{text[(at + 1)..]}'.") : (text, 1);
    }

    private static string Name(int index) => $"combined-part-{index + 1}-";

    private static string Snake(string name) => string.Concat(name.Select((letter, i) => i > 0 && char.IsUpper(letter) ? "_" + char.ToLowerInvariant(letter) : char.ToLowerInvariant(letter).ToString()));
}
