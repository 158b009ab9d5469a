namespace Peft.Notebooks.Tests;

/// <summary>The notebooks in the kernel of .NET Interactive, with the packages as a reader installs them.</summary>
/// <remarks>With the environment variable <c>PEFT_REFRESH_NOTEBOOKS</c> (<c>./build.sh notebooks</c>), what they show is written to their files.</remarks>
public class RunTests
{
    private static readonly bool Refreshes = Environment.GetEnvironmentVariable("PEFT_REFRESH_NOTEBOOKS") is { Length: > 0 };

    [Fact]
    public void Every_cell_of_every_notebook_runs()
    {
        using var workplace = new Workplace();
        // One kernel for all: its start and the loading of packages take longer than the cells.
        using var kernel = workplace.Start();
        var failures = new List<string>();
        foreach (var notebook in Notebook.All)
        {
            try
            {
                Run(notebook, kernel);
            }
            catch (KernelException error)
            {
                failures.Add($"{notebook.Name}: {error.Message}");
                if (!kernel.IsRunning) break;
            }
        }
        string.Join("\n\n", failures).ShouldBeEmpty();
    }

    private static void Run(Notebook notebook, Kernel kernel)
    {
        var cells = notebook.CodeCells;
        foreach (var (i, cell) in cells.Index())
        {
            var outputs = CellOutput.Of(kernel.Run(Workplace.OwnPlatform(Notebook.Source(cell))));
            // The first cell shows where this machine has its packages.
            cell["outputs"] = i == 0 ? [] : outputs;
        }
        notebook.HasPlot.ShouldBeTrue($"{notebook.Name} shows no plot.");
        Notebook.Outputs(cells[^1]).ShouldNotBeEmpty($"The last cell of {notebook.Name} shows nothing.");
        if (Refreshes) notebook.Save();
    }
}
