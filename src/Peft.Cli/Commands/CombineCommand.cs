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
            using var peft = pretrained.ApplyAdapter(first, "part1");
            for (var i = 1; i < given.Count; i++) peft.LoadAdapter(LoadedModel.Folder(given[i].Folder, load), $"part{i + 1}");
            peft.Combine(Result, [.. given.Select((part, i) => ($"part{i + 1}", part.Weight))], new()
            {
                Kind = Enum.GetValues<Combination>().First(value => Snake(value.ToString()) == context.Get(kind)),
                Density = context.Get(density),
                Rank = context.Get(rank),
            });
            peft.Rename(Result, PeftModel.DefaultName);
            peft.SaveAdapter(folder, PeftModel.DefaultName);
            OutputFolder.Report(context, folder, new { Kind = context.Get(kind), Parts = given.Select(part => new { part.Folder, part.Weight }) });
        });
    }

    private static (string Folder, double Weight) Part(string text)
    {
        var at = text.LastIndexOf(':');
        return at > 0 && double.TryParse(text[(at + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out var weight) ? (text[..at], weight) : (text, 1);
    }

    private static string Snake(string name) => string.Concat(name.Select((letter, i) => i > 0 && char.IsUpper(letter) ? "_" + char.ToLowerInvariant(letter) : char.ToLowerInvariant(letter).ToString()));
}
