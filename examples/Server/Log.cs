namespace Peft.Server;

internal static partial class Log
{
    [LoggerMessage(Level = LogLevel.Error, Message = "{What} failed")]
    public static partial void Failed(this ILogger logger, Exception error, string what);
}
