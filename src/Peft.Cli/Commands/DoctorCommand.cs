using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Spectre.Console;
using TorchSharp;

namespace Peft.Cli;

/// <summary><c>peft doctor</c></summary>
internal static class DoctorCommand
{
    private const double LeastMemory = 2e9, LeastDisk = 5e9;

    public static Command Create(PeftTool tool)
        => tool.Command("doctor", "Checks this machine: runtime, libtorch, processor, threads, memory, cache. Ends with 1 if something is missing.", [], context =>
        {
            var findings = Findings().ToList();
            if (findings.Exists(finding => finding.Problem is not null)) context.Code = ExitCode.Refused;
            context.Result(new { Ok = context.Code == ExitCode.Success, Findings = findings }, console =>
            {
                var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn(new GridColumn().NoWrap().PadRight(3)).AddColumn();
                foreach (var finding in findings)
                    grid.AddRow(new Text(finding.Problem is null ? "✓" : "✗", new Style(finding.Problem is null ? Color.Green : Color.Red)), new Text(finding.Name), new Text(finding.Problem is null ? finding.Value : $"{finding.Value}. {finding.Problem}"));
                console.Write(grid);
            });
        });

    private static IEnumerable<Finding> Findings()
    {
        yield return new("peft", typeof(DoctorCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "?");
        yield return new("runtime", $"{RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}, {RuntimeInformation.OSDescription.Trim()}");
        var library = Torch();
        yield return library;
        yield return new("processor", $"{Environment.ProcessorCount} cores; {string.Join(", ", Features())}");
        if (library.Problem is null)
        {
            yield return new("threads of torch", $"{torch.get_num_threads()}");
            yield return new("accelerators", torch.cuda.is_available() ? $"{torch.cuda.device_count()} CUDA devices" : "none: models compute on the processor");
        }
        var memory = (double)GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        yield return new("memory", Show.Bytes(memory), memory < LeastMemory ? $"Models of more than {Show.Number(LeastMemory / 4 / 1e6)} million parameters do not fit in float32: quantize them by --quantization nf4." : null);
        yield return Cache();
        yield return new("methods", $"{AdapterMethods.Known.Count}");
    }

    private static Finding Torch()
    {
        try
        {
            TorchRuntime.Require();
            using var probe = torch.ones(2, 2).mm(torch.ones(2, 2));
            return new("libtorch", $"{torch.__version__}, TorchSharp {typeof(torch).Assembly.GetName().Version?.ToString(3)}");
        }
        catch (NativeLibraryException error)
        {
            return new("libtorch", "cannot be loaded", error.Message);
        }
    }

    private static Finding Cache()
    {
        try
        {
            using var hub = new HubClient();
            var folder = hub.CacheFolder;
            var existing = folder;
            while (!Directory.Exists(existing) && Path.GetDirectoryName(existing) is { } parent) existing = parent;
            var free = new DriveInfo(existing).AvailableFreeSpace;
            return new("cache of models", $"{folder}, {Show.Bytes(free)} free", free < LeastDisk ? "That is little for models: make room, or set HF_HUB_CACHE to another folder." : null);
        }
        catch (Exception error) when (error is HubException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            return new("cache of models", "cannot be used", error.Message);
        }
    }

    private static IEnumerable<string> Features()
    {
        if (Avx2.IsSupported) yield return "AVX2";
        if (Avx512F.IsSupported) yield return "AVX-512";
        if (Fma.IsSupported) yield return "FMA";
        if (AdvSimd.IsSupported) yield return "NEON";
        if (!Avx2.IsSupported && !AdvSimd.IsSupported) yield return "no vectors of 256 bits: the library's own kernels are slower";
    }
}
