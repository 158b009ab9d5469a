// Trains a small network and says on standard output what it is doing, so that a test can kill it at a chosen moment; after each step it waits for a line on standard input, or its end.
// Arguments: the output folder; optionally an online method, by which a language model is trained instead. Goes on from the last checkpoint there, if any. At the end writes result.txt into the folder.
using Peft;
using Peft.Training.TestHost;
using static TorchSharp.torch;

set_num_threads(1);
var folder = args[0];
if (args is [_, var method])
{
    OnlineRun.Run(folder, method);
    return;
}
manual_seed(7);
using var network = new TinyNetwork();
var inputs = randn(40, 4);
var model = new SlowlySaved(new ModuleTrainable(network));
var trainer = new Trainer(model, TrainingDataset.From(inputs, inputs.sum(1, keepdim: true)), new()
{
    Epochs = 7,
    BatchSize = 3,
    GradientAccumulation = 2,
    LearningRate = 0.01,
    Schedule = LearningRateSchedule.Cosine(),
    WarmupSteps = 4,
    OutputFolder = folder,
    ResumeFrom = Trainer.FindLastCheckpoint(folder),
    SaveEverySteps = 4,
    EvaluateEverySteps = 5,
    LoadBestAtEnd = true,
})
{
    Evaluation = TrainingDataset.From(inputs.mul(0.5), inputs.mul(0.5).sum(1, keepdim: true)),
    Callbacks = [new Narrator()],
};
var result = trainer.Train();
Numbers.Write(folder, $"{result.Steps} steps, best {result.Best?.Step}", model, result);
