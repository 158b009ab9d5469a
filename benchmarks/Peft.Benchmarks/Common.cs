using System.CommandLine;
using System.Text.Json;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>Options of every command.</summary>
internal static class Common
{
    /// <summary>The techniques of <see cref="CpuOptions"/> by the names that the options take: <c>skinny-products</c>.</summary>
    public static IReadOnlyDictionary<string, Func<CpuOptions, CpuOptions>> Techniques { get; }
        = typeof(CpuOptions).GetProperties().Where(property => property.PropertyType == typeof(bool)).ToDictionary(property => JsonNamingPolicy.KebabCaseLower.ConvertName(property.Name), property => (Func<CpuOptions, CpuOptions>)(options =>
        {
            var changed = options with { };
            property.SetValue(changed, false);
            return changed;
        }));

    private static Option<int> Threads { get; } = new("--threads") { DefaultValueFactory = _ => 2, Recursive = true };

    private static Option<string> Device { get; } = new("--device") { DefaultValueFactory = _ => "cpu", Description = "Where models compute: cpu, cuda, cuda:1.", Recursive = true };

    private static Option<string[]> Without { get; } = new("--without") { DefaultValueFactory = _ => [], AllowMultipleArgumentsPerToken = true, HelpName = "technique", Description = $"Techniques of CpuOptions to switch off, to see what they bring: {string.Join(", ", Techniques.Keys)}.", Recursive = true };

    /// <summary>Adds the options to the root command.</summary>
    public static void AddTo(RootCommand root)
    {
        Without.AcceptOnlyFromAmong([.. Techniques.Keys]);
        Device.Validators.Add(result =>
        {
            try
            {
                zeros(1, device: device(result.GetValueOrDefault<string>()!)).Dispose();
            }
            catch (Exception error) when (error is not OutOfMemoryException)
            {
                result.AddError($"The device '{result.GetValueOrDefault<string>()}' is missing on this machine, or libtorch was built without it: a CUDA device needs the package TorchSharp-cuda-linux or TorchSharp-cuda-windows.");
            }
        });
        foreach (var option in new Option[] { Threads, Device, Without }) root.Options.Add(option);
    }

    /// <summary>Sets threads and techniques, and returns the device.</summary>
    public static Device Apply(ParseResult at)
    {
        set_num_threads(at.GetValue(Threads));
        TorchRuntime.Cpu = at.GetValue(Without)!.Aggregate(new CpuOptions(), (options, name) => Techniques[name](options));
        return device(at.GetValue(Device)!);
    }

    /// <summary>The settings, for the printed line.</summary>
    public static object Settings(ParseResult at) => new { threads = at.GetValue(Threads), device = at.GetValue(Device), without = at.GetValue(Without) };
}
