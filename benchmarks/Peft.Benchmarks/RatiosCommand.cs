using System.CommandLine;

namespace Peft.Benchmarks;

/// <summary>Draws the ratios to Hugging Face that were measured on several processors.</summary>
internal static class RatiosCommand
{
    public static Command Command()
    {
        var table = new Option<FileInfo>("--table") { DefaultValueFactory = _ => new("docs/images/ratios.csv"), Description = "The ratios: work, then one column for each processor." };
        var command = new Command("ratios", "Draws a table of ratios as SVG, next to it.") { table };
        command.SetAction(at =>
        {
            var file = at.GetValue(table)!.FullName;
            File.WriteAllText(Path.ChangeExtension(file, ".svg"), RatioChart.Read(file, "Speed, as a multiple of Hugging Face's").Draw() + "\n");
        });
        return command;
    }
}
