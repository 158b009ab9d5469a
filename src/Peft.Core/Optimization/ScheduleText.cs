using System.ComponentModel;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Peft;

/// <summary>Parses learning rate schedules from text, for settings.</summary>
internal sealed partial class ScheduleText : TypeConverter
{
    // Argument names: this library's first, followed by those of transformers.
    private static readonly Dictionary<string, (string[][] Settings, Func<double?[], LearningRateSchedule> Make)> Kinds = new()
    {
        ["constant"] = ([], _ => LearningRateSchedule.Constant),
        ["constantwithwarmup"] = ([], _ => LearningRateSchedule.Constant),
        ["linear"] = ([], _ => LearningRateSchedule.Linear),
        ["cosine"] = ([["cycles", "num_cycles"]], values => LearningRateSchedule.Cosine(values[0] ?? 0.5)),
        ["cosinewithrestarts"] = ([["cycles", "num_cycles"]], values => LearningRateSchedule.CosineWithRestarts(Whole(values[0]) ?? 1)),
        ["polynomial"] = ([["power"], ["end_factor"]], values => LearningRateSchedule.Polynomial(values[0] ?? 1, values[1] ?? 1e-3)),
        ["inversesquareroot"] = InverseSquareRoot,
        ["inversesqrt"] = InverseSquareRoot,
        ["warmupstabledecay"] = ([["decay_steps", "num_decay_steps"], ["minimum_factor", "min_lr_ratio"]], values
            => LearningRateSchedule.WarmupStableDecay(Whole(values[0]) ?? throw new FormatException("warmup_stable_decay needs decay_steps."), values[1] ?? 0)),
    };

    private static (string[][] Settings, Func<double?[], LearningRateSchedule> Make) InverseSquareRoot
        => ([["time_scale", "timescale"]], values => LearningRateSchedule.InverseSquareRoot(Whole(values[0])));

    public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string);

    public override object ConvertFrom(ITypeDescriptorContext? context, CultureInfo? culture, object value)
        => value is string text ? Parse(text) : throw GetConvertFromException(value);

    public static LearningRateSchedule Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (Form().Match(text) is not { Success: true } form || !Kinds.TryGetValue(Plain(form.Groups["name"].Value), out var kind))
            throw new FormatException($"'{text}' is not a learning rate schedule. Valid schedules are constant, linear, cosine(cycles), cosine_with_restarts(cycles), polynomial(power, end_factor), inverse_square_root(time_scale) and warmup_stable_decay(decay_steps, minimum_factor), with arguments as in cosine(cycles: 0.5).");
        var values = new double?[kind.Settings.Length];
        foreach (var setting in form.Groups["setting"].Captures.Select(capture => capture.Value))
        {
            var (name, number) = (setting[..setting.IndexOfAny([':', '='])], setting[(setting.IndexOfAny([':', '=']) + 1)..]);
            var at = Array.FindIndex(kind.Settings, names => names.Any(each => Plain(each) == Plain(name)));
            if (at < 0 || values[at] is not null || !double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out var value))
                throw new FormatException($"'{setting.Trim()}' of the schedule '{text}' {(at < 0 ? $"is not one of its settings. It has: {(values.Length == 0 ? "none" : string.Join(", ", kind.Settings.Select(names => names[0])))}" : values[at] is null ? "is not a number" : "is given twice")}.");
            values[at] = value;
        }
        return kind.Make(values);
    }

    private static int? Whole(double? value)
        => value is null ? null : value == Math.Floor(value.Value) && Math.Abs(value.Value) < int.MaxValue ? (int)value : throw new FormatException($"{value} must be an integer.");

    private static string Plain(string name) => name.Trim().Replace("_", "", StringComparison.Ordinal).ToLowerInvariant();

    [GeneratedRegex(@"\A\s*(?<name>\w+)\s*(?:\((?:\s*(?<setting>\w+\s*[:=][^,()]+)(?:,|(?=\))))*\s*\)\s*)?\z", RegexOptions.CultureInvariant)]
    private static partial Regex Form();
}
